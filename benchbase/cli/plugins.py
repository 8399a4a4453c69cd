"""Plugins as the command line needs them."""
from __future__ import annotations

from typing import Any

from benchbase.cli.output import err
from benchbase.errors import BenchError


def commands(cli: Any) -> list[Any]:
    """The verbs that plugins add; a plugin that gets this wrong costs its own verbs and a line on stderr, nothing else."""
    from benchbase.plugin.manager import load_plugins

    try:
        return load_plugins().commands(cli)
    except BenchError as error:
        err(f"no verbs of plugins: {error.what}; {error.todo}")
        return []
