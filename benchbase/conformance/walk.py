"""The walk: every check of every thing that a plugin offers."""
from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchbase.conformance import package
from benchbase.conformance.finding import Finding, Unchecked
from benchbase.conformance.offline import offline
from benchbase.errors import BenchError, raised, unknown
from benchbase.plugin.manager import Offer, Plugins
from benchbase.plugin.offers import KINDS

CHECKED = ("methods", "models", "datasets", "protocols", "metrics")  # kinds with checks of their own: a module each
NOUNS = {"datasets": "data set"}
Check = Callable[[Any], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class Case:
    """One check of one thing. plugin: the entry point's name.  check: its paragraph.  call: gives pairs of what is wrong and what to do."""

    plugin: str
    subject: str
    check: str
    call: Callable[[], Iterable[tuple[str, str]]] = field(repr=False)

    @property
    def label(self) -> str:
        return f"{self.subject}: {self.check}"


@dataclass(frozen=True)
class Outcome:
    """What a case came to. unchecked: why it could not be checked, "" where it was."""

    case: Case
    findings: tuple[Finding, ...]
    unchecked: str = ""
    seconds: float = 0.0


def cases(plugins: Plugins, names: Iterable[str], root: Path) -> list[Case]:
    """All checks of the plugins called so: entry points, distributions, or a method in a file, "./mine.py:MyMethod".

    root: the folder of downloaded data. Raises BenchError for a name that no plugin has.
    """
    chosen = dict.fromkeys(plugin for name in names for plugin in _plugins(plugins, name))
    return [case for plugin in chosen for case in _of_plugin(plugins, plugin, root)]


def run(case: Case, download: bool = False) -> Outcome:
    """Make one check, without a network unless `download`. What a plugin raises is a finding."""
    started = time.perf_counter()

    def outcome(pairs: Iterable[tuple[str, str]], unchecked: str = "") -> Outcome:
        found = tuple(Finding(case.check, case.subject, what, todo) for what, todo in pairs)
        return Outcome(case, found, unchecked, round(time.perf_counter() - started, 3))
    try:
        with offline(not download):
            return outcome(list(case.call()))
    except Unchecked as reason:
        return outcome((), str(reason))
    except BenchError as error:
        return outcome([(error.what, error.todo)])
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- a plugin's code may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        return outcome([(f"it raised {raised(error)}", f"mend what raises: {Path(last.filename).name}, line {last.lineno}")])


def own(plugins: Plugins) -> list[str]:
    """The plugins that are not of the benchmark itself, by name; those that failed to load too."""
    every = [*((p.name, p.distribution) for p in plugins.loaded.plugins), *((b.plugin, b.distribution) for b in plugins.loaded.broken)]
    return [name for name, distribution in every if distribution != "benchbase"]


def subject_of(offer: Offer) -> str:
    """What to call an offer: "method l1-norm".

    >>> subject_of(Offer("datasets", "digits", None, "digits", None, None))
    'data set digits'
    """
    return f"{NOUNS.get(offer.kind, offer.kind.removesuffix('s'))} {offer.name}"


def _plugins(plugins: Plugins, name: str) -> list[str]:
    """The entry points that a name means."""
    from benchbase.plugin.files import split_file

    every = {p.name: p.distribution for p in plugins.loaded.plugins} | {b.plugin: b.distribution for b in plugins.broken}
    if split_file(name) or name in every:
        return [name]
    if found := [plugin for plugin, distribution in every.items() if distribution == name]:
        return found
    error = unknown("plugin", name, {*every, *filter(None, every.values())})
    if (Path(name) / "pyproject.toml").is_file() or (Path(name) / "setup.cfg").is_file():
        raise BenchError(f"plugin {name} is not installed", f"pip install -e ./{name}")
    raise error if error.todo.startswith("did you mean") else BenchError(error.what, f"is its package installed? pip install -e FOLDER; {error.todo}")


def _of_plugin(plugins: Plugins, plugin: str, root: Path) -> Iterator[Case]:
    from benchbase.plugin.files import method_in, split_file

    if file := split_file(plugin):
        yield from _of_offer(method_in(*file), plugin, root)
        return
    subject = f"plugin {plugin}"
    for check, call in package.CHECKS:
        yield Case(plugin, subject, check, lambda call=call: call(plugins, plugin))  # type: ignore[misc]
    for kind in KINDS:
        for offer in plugins.every(kind):
            if offer.plugin == plugin and kind in CHECKED:
                yield from _of_offer(offer, plugin, root)


def _of_offer(offer: Offer, plugin: str, root: Path) -> Iterator[Case]:
    """The checks of one thing share a subject, so that what is slow is done once."""
    module = import_module(f"benchbase.conformance.{offer.kind}")
    subject = module.Subject(offer, root)
    for check, call in module.CHECKS:
        yield Case(plugin, subject_of(offer), check, lambda call=call: call(subject))  # type: ignore[misc]
