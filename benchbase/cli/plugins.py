"""The verbs that plugins add."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchbase.cli.known import kept
from benchbase.cli.output import err
from benchbase.errors import BenchError

GROUP, HOOK = "benchbase", "bench_commands"


def commands(cli: Any, told: bool = False) -> list[Any]:
    """The verbs of all plugins; told: of those whose source names the hook, so that a slow or broken other one delays no --help.

    A plugin that gets this wrong costs its own verbs and a line on stderr, nothing else.
    """
    only = names(telling=True) if told and not os.environ.get("BENCH_PLUGINS") else None
    if only == []:
        return []
    from benchbase.plugin.manager import load_plugins

    try:
        return load_plugins(only).commands(cli)
    except BenchError as error:
        err(f"no verbs of plugins: {error.what}; {error.todo}")
        return []


def names(telling: bool = False) -> list[str]:
    """Installed plugins by their entry points' names: none is imported. telling: those whose source names the hook of verbs."""
    def sound(found: Any) -> bool:
        return all(isinstance(name, str) and isinstance(tells, bool) for name, tells in found)

    return sorted({name for name, tells in kept("plugins", _found, sound) if tells or not telling})


def _found() -> tuple[list[list[Any]], set[Path]]:
    """[name, whether it tells of verbs] of all entry points, and the files that say so."""
    from importlib.metadata import entry_points

    files = [(point.name, _source(point.module)) for point in entry_points(group=GROUP)]
    return [[name, _mentions(file)] for name, file in files], {file for _, file in files if file}


def _source(module: str) -> Path | None:
    """The file of a module, which is not imported (packages above it are, where they lie somewhere else); None where it cannot be found as one."""
    from importlib.util import find_spec

    top, *below = module.split(".")
    try:
        spec = find_spec(top)
        root = Path((spec.submodule_search_locations or [])[0] if below else spec.origin)  # type: ignore[union-attr,arg-type]
        path = root.joinpath(*below)
        file = path if path.is_file() else path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        return file if file.is_file() else Path(find_spec(module).origin)  # type: ignore[union-attr,arg-type]
    except Exception:  # noqa: BLE001 -- what is imported may raise anything
        return None


def _mentions(file: Path | None) -> bool:
    """Whether a source says so; one that cannot be read may."""
    try:
        return file is None or HOOK in file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return True
