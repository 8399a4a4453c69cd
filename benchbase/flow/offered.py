"""What the core offers through the same door as any plugin: its executors."""
from __future__ import annotations

from typing import Any

from benchbase.plugin.hookspecs import hookimpl


@hookimpl
def bench_executors() -> list[Any]:
    from benchbase.flow.executors import Processes, Serial

    return [Serial(), Processes()]
