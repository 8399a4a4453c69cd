"""The verbs that plugins add."""
from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchbase.cli.output import err
from benchbase.errors import BenchError

GROUP, HOOK = "benchbase", "bench_commands"


def commands(cli: Any, told: bool = False) -> list[Any]:
    """The verbs of all plugins; told: of those whose source names the hook, so that a slow or broken other one delays no --help.

    A plugin that gets this wrong costs its own verbs and a line on stderr, nothing else.
    """
    only = [point.name for point in entry_points(group=GROUP) if _mentions(point)] if told and not os.environ.get("BENCH_PLUGINS") else None
    if only == []:
        return []
    from benchbase.plugin.manager import load_plugins

    try:
        return load_plugins(only).commands(cli)
    except BenchError as error:
        err(f"no verbs of plugins: {error.what}; {error.todo}")
        return []


def _mentions(point: EntryPoint) -> bool:
    """Whether the source says so; a module that cannot be found as a file may."""
    top, *below = point.module.split(".")
    try:
        spec = find_spec(top)
        root = Path((spec.submodule_search_locations or [])[0] if below else spec.origin)  # type: ignore[union-attr,arg-type]
        path = root.joinpath(*below)
        file = path if path.is_file() else path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        return HOOK in file.read_text(encoding="utf-8")
    except (AttributeError, ImportError, IndexError, OSError, TypeError, ValueError):
        return True
