"""The plugins that were loaded, passed down as a value: names looked up, offers listed, what is broken said."""
from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError, raised, unknown
from benchbase.plugin.files import method_in, split_file
from benchbase.plugin.load import Broken, Loaded, Plugin, load
from benchbase.plugin.names import parse_name, with_params
from benchbase.plugin.offers import KINDS, Offer, no_clash, offers_of
from benchbase.values.budget import Budget
from benchbase.values.protocol import Metric, Protocol

OBSERVERS = ("bench_sweep_begins", "bench_epoch_done", "bench_stage_done")
__all__ = ["Broken", "Found", "Offer", "Plugins", "load_plugins"]


@dataclass(frozen=True)
class Found:
    """What a text asked for, made with its parameters, and the offer that it comes from."""

    value: Any
    offer: Offer


@dataclass(frozen=True)
class Plugins:
    """Names to things. Hooks are called when their kind is first asked for.

    Every lookup raises BenchError for a name that nobody offers (with near misses, and the plugins that failed to load) and for a
    kind in which two plugins offer one name.
    """

    loaded: Loaded
    gathered: dict[str, tuple[Offer, ...]] = field(default_factory=dict, repr=False)
    failed: dict[tuple[str, str, str], Broken] = field(default_factory=dict, repr=False)

    def offers(self, kind: str) -> list[Offer]:
        """All offers of a kind (methods, models, datasets, protocols, metrics, executors, suites, budgets), plugin by plugin."""
        if kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        found = self._gather(kind)
        no_clash(found)
        return list(found)

    def every(self, kind: str) -> tuple[Offer, ...]:
        """As `offers`, names that two plugins offer included."""
        return self._gather(kind)

    def offer(self, kind: str, name: str) -> Offer:
        """The offer of that name."""
        by_name = {offer.name: offer for offer in self.offers(kind)}
        if name not in by_name:
            raise self._unknown(kind.removesuffix("s"), name, by_name)
        return by_name[name]

    @property
    def broken(self) -> tuple[Broken, ...]:
        """Plugins that failed to load, and hooks that raised or returned nonsense: one line each."""
        for kind in KINDS:
            self._gather(kind)
        return (*self.loaded.broken, *self.failed.values())

    def method(self, text: str) -> Found:
        """A method by its name, "thinet[images=64]", or out of a file, "./mine.py:MyMethod[images=64]"."""
        name, params = parse_name(text)
        file = split_file(name)
        offer = method_in(*file) if file else self.offer("methods", name)
        return Found(with_params(offer.value, params), offer)

    def dataset(self, text: str) -> Found:
        """A data set by its name, "digits" or "synthetic[size=16]"; what follows a colon is its path, "imagefolder:PATH[size=32]"."""
        name, params = parse_name(text)
        head, colon, path = name.partition(":")
        offer = self.offer("datasets", head)
        if colon:
            if "path" not in getattr(offer.value, "__dataclass_fields__", {}):
                raise BenchError(f"data set {head} takes no path, and got {path!r}", f"write {head}")
            if "path" in params:
                raise BenchError(f"{text!r} gives two paths", f"write {head}:PATH")
            params = {"path": path, **params}
        return Found(with_params(offer.value, params), offer)

    def protocol(self, text: str) -> Protocol:
        """A protocol by its name; "scratch-b[epochs=117]" is one with so many epochs, whatever its rule says."""
        name, params = parse_name(text)
        found: Protocol = self.offer("protocols", name).value
        return found.pinned(params) if params else found

    def model_name(self, name: str) -> str:
        """The one spelling of a model's name: a listed one has dashes (vgg_digits is vgg-digits), others are as they are."""
        dashed = name.replace("_", "-")
        return dashed if any(offer.name == dashed for offer in self.offers("models")) else name

    def model(self, name: str) -> Callable[..., Any]:
        """The builder(num_classes, in_channels=3) of a listed model, or of one that a plugin opens by name ("timm:resnet50")."""
        listed = {offer.name: offer.value for offer in self.offers("models")}
        builder = listed.get(name.replace("_", "-")) or self._open_model(name)
        if builder is None:
            raise self._unknown("model", name, listed)
        return builder

    def budgets(self) -> dict[str, Budget]:
        """Budgets by name, out of the plugins' files."""
        return {offer.name: offer.value for offer in self.offers("budgets")}

    def budget(self, said: Any) -> Budget:
        """The Budget in a number, a text ("macs=0.5", a name, a YAML file), a table or a Budget."""
        from benchbase.values.budget import budget_of, parse_budget

        if isinstance(said, Budget):
            return said
        if not isinstance(said, str):
            return budget_of(said)
        if Path(said).suffix in (".yaml", ".yml"):
            from benchbase.values.spec import read_yaml

            return budget_of(read_yaml(Path(said)), name=Path(said).stem)
        return parse_budget(said, self.budgets())

    def metrics(self) -> list[Metric]:
        """All metrics beside accuracy and cost."""
        return [offer.value for offer in self.offers("metrics")]

    def suites(self) -> dict[str, Path]:
        """Suites by name."""
        return {offer.name: offer.value for offer in self.offers("suites")}

    def executor(self, name: str) -> Any:
        """An executor by its name."""
        return self.offer("executors", name).value

    def commands(self, cli: Any) -> list[Any]:
        """Further verbs of the command line. One that `cli` or another plugin has already is a BenchError."""
        taken, found = dict.fromkeys(cli.commands, "benchbase"), []
        for plugin, commands in self._each("bench_commands", cli=cli):
            if not isinstance(commands, (list, tuple)) or not all(isinstance(getattr(c, "name", None), str) for c in commands):
                self._fail(plugin, "bench_commands", TypeError("bench_commands returned no list of click commands"))
                continue
            for command in commands:
                if command.name in taken:
                    raise BenchError(f"two plugins offer the verb {command.name!r}: {taken[command.name]} and {plugin.distribution}",
                                     "uninstall one of them, or name those to load in BENCH_PLUGINS")
                taken[command.name] = str(plugin.distribution)
                found.append(command)
        return found

    def stage_done(self, event: Any) -> None:
        """Tell every observer of a stage that has ended."""
        for _ in self._each("bench_stage_done", event=event):
            pass

    def epoch_done(self, event: Any) -> None:
        """Tell every observer of an epoch that has ended."""
        for _ in self._each("bench_epoch_done", event=event):
            pass

    def sweep_begins(self, cells: int) -> None:
        """Tell every observer that a sweep begins. A BenchError says that one cannot do what the user switched on, and ends the command."""
        for plugin in self.loaded.having("bench_sweep_begins"):
            try:
                self.loaded.call(plugin, "bench_sweep_begins", cells=cells)
            except BenchError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- a hook may raise anything
                self._fail(plugin, "bench_sweep_begins", error)

    @property
    def failed_observers(self) -> tuple[Broken, ...]:
        """Observers that raised, each with its first error."""
        return tuple(broken for (_, _, hook), broken in self.failed.items() if hook in OBSERVERS)

    def _gather(self, kind: str) -> tuple[Offer, ...]:
        if kind not in self.gathered:
            found: list[Offer] = []
            for plugin, returned in self._each(KINDS[kind][0]):
                try:
                    found += offers_of(kind, plugin, returned)
                except Exception as error:  # noqa: BLE001 -- what a plugin returns may raise anything when looked at
                    self._fail(plugin, KINDS[kind][0], error)
            self.gathered[kind] = tuple(found)
        return self.gathered[kind]

    def _each(self, hook: str, **arguments: Any) -> Iterable[tuple[Plugin, Any]]:
        """What each plugin's hook returns; one that raises is broken and left out."""
        for plugin in self.loaded.having(hook):
            try:
                returned = self.loaded.call(plugin, hook, **arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- a hook may raise anything
                self._fail(plugin, hook, error)
            else:
                yield plugin, returned

    def _open_model(self, name: str) -> Callable[..., Any] | None:
        """The builder by the first plugin that knows the name. A BenchError says that it is the plugin's to know, and is not there."""
        for plugin in self.loaded.having("bench_open_model"):
            try:
                builder = self.loaded.call(plugin, "bench_open_model", name=name)
                if builder is not None and not callable(builder):
                    raise TypeError(f"bench_open_model returned {type(builder).__name__}, not a function")
            except BenchError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- a hook may raise anything
                self._fail(plugin, "bench_open_model", error)
            else:
                if builder is not None:
                    found: Callable[..., Any] = builder
                    return found
        return None

    def _fail(self, plugin: Plugin, hook: str, error: BaseException) -> None:
        self.failed.setdefault((str(plugin.distribution), plugin.name, hook), Broken(plugin.name, plugin.distribution, raised(error)))

    def _unknown(self, noun: str, name: str, known: Mapping[str, Any]) -> BenchError:
        """The error for a name that nobody offers; who might have offered it, had it loaded, is named."""
        error, broken = unknown(noun, name, known), self.broken
        alike = [b for b in broken if len(broken) == 1 or difflib.get_close_matches(name, [b.plugin, str(b.distribution)])]
        maybe = [f"plugin {b.plugin} ({b.distribution}) failed to load: {b.error}" for b in alike]
        if others := [b.plugin for b in broken if b not in alike]:
            maybe.append(f"plugins that failed to load (`bench list` says why): {', '.join(others)}")
        if self.loaded.left_out:
            maybe.append(f"BENCH_PLUGINS leaves out {', '.join(self.loaded.left_out)}")
        listed = error.todo if known else "no plugin offers any"
        return BenchError(error.what, "; ".join([listed, *maybe] if listed.startswith("did you mean") else [*maybe, listed]))


def load_plugins(only: Iterable[str] | None = None) -> Plugins:
    """Load the installed plugins, each by itself.

    only: names of entry points or of distributions; None: those in BENCH_PLUGINS (separated by commas), or all where it is not set.
    Raises BenchError for a name there that is not installed.
    """
    if only is None:
        said = [name for name in re.split(r"[,\s]+", os.environ.get("BENCH_PLUGINS", "")) if name]
        only = said or None
    return Plugins(load(only))
