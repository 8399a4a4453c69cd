"""Plugins found and imported, each by itself: one that fails is reported and takes nothing else down."""
from __future__ import annotations

import contextlib
import difflib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from benchbase.errors import raised, unknown
from benchbase.plugin import hookspecs

GROUP = "benchbase"


@dataclass(frozen=True)
class Plugin:
    """One entry point that was loaded: its name, the installed package it is of, and the module it names."""

    name: str
    distribution: str | None
    version: str | None
    module: Any


@dataclass(frozen=True)
class Broken:
    """A plugin that cannot be used, or a hook of it. error: its type, and the first line of what it says."""

    plugin: str
    distribution: str | None
    error: str


@dataclass(frozen=True)
class Loaded:
    """hooks: pluggy's manager, which knows all that was loaded.  left_out: names that BENCH_PLUGINS does not load."""

    hooks: pluggy.PluginManager
    plugins: tuple[Plugin, ...]
    broken: tuple[Broken, ...] = ()
    left_out: tuple[str, ...] = ()

    def having(self, hook: str) -> Iterator[Plugin]:
        """The plugins that implement `hook`, in the order of their names."""
        own = {id(impl.plugin) for impl in getattr(self.hooks.hook, hook).get_hookimpls()}
        return (plugin for plugin in self.plugins if id(plugin.module) in own)

    def call(self, plugin: Plugin, hook: str, **arguments: Any) -> Any:
        """What one plugin's hook returns, None where it returns None. What it prints goes to stderr."""
        others = [p.module for p in self.plugins if p is not plugin]
        with contextlib.redirect_stdout(sys.stderr):
            result = self.hooks.subset_hook_caller(hook, others)(**arguments)
        spec = getattr(self.hooks.hook, hook).spec
        return result if spec.opts["firstresult"] else result[0] if result else None


def load(only: Iterable[str] | None) -> Loaded:
    """Import the entry points of the group "benchbase", those whose name or distribution is in `only` (None: all), and the core's own.

    Raises BenchError for a name in `only` that no installed package has.
    """
    found = sorted(_found(), key=lambda source: (source[0], source[1] or ""))
    wanted = None if only is None else set(only)
    known = {name for source in found for name in source[:2] if name}
    for name in sorted((wanted or set()) - known):
        raise unknown("plugin in BENCH_PLUGINS:", name, known)
    chosen = [source for source in found if wanted is None or wanted & set(source[:2]) or source[3].value.startswith("benchbase.")]
    return opened(chosen, tuple(source[0] for source in found if source not in chosen))


def opened(sources: Iterable[tuple[str, str | None, str | None, Any]], left_out: tuple[str, ...] = ()) -> Loaded:
    """Plugins out of (name, distribution, version, entry point or module)."""
    hooks = pluggy.PluginManager(hookspecs.PROJECT)
    hooks.add_hookspecs(hookspecs)
    plugins, broken = [], []
    for name, distribution, version, source in sources:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                module = source.load() if isinstance(source, EntryPoint) else source
            _register(hooks, module, f"{distribution}/{name}")
            plugins.append(Plugin(name, distribution, version, module))
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- a plugin's import may raise anything
            broken.append(Broken(name, distribution, raised(error)))
    return Loaded(hooks, tuple(plugins), tuple(broken), left_out)


def _register(hooks: pluggy.PluginManager, module: Any, name: str) -> None:
    """Register a module; it is out again where a hook of it is unknown, takes other arguments or is not marked, or it has none."""
    if hooks.is_registered(module):
        raise TypeError("another entry point names the same module")
    try:
        hooks.register(module, name)
        own = {caller.name for caller in hooks.get_hookcallers(module) or ()}
        known = [name for name in vars(hookspecs) if name.startswith("bench_")]
        for hook in sorted(own - set(known)):
            near = difflib.get_close_matches(hook, known, n=1)
            raise TypeError(f"unknown hook {hook!r}{f', did you mean {near[0]!r}?' if near else ''}")
        for hook in known:
            if hasattr(module, hook) and hook not in own:
                raise TypeError(f"{hook} is not marked with @benchbase.hookimpl")
        if not own:
            raise TypeError("it has no hook: mark one with @benchbase.hookimpl")
        hooks.check_pending()
    except BaseException:
        if hooks.is_registered(module):
            hooks.unregister(module)
        raise


def _found() -> Iterator[tuple[str, str | None, str | None, EntryPoint]]:
    """(name, distribution, version, entry point) of all that is installed; each package's metadata is read once."""
    packages: dict[int, tuple[str | None, str | None]] = {}
    for point in entry_points(group=GROUP):
        package = packages.get(id(point.dist))
        if package is None:
            package = packages[id(point.dist)] = (point.dist.name, point.dist.version) if point.dist else (None, None)
        yield point.name, *package, point
