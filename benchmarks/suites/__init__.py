"""Suites by name: what this project runs, the paper's tables among them. One YAML file each."""
from __future__ import annotations

from pathlib import Path

from benchbase import hookimpl


@hookimpl
def bench_suites() -> list[Path]:
    """The YAML files beside this module; those that others only extend begin with an underscore and have no name of their own."""
    return sorted(path for path in Path(__file__).parent.glob("*.yaml") if not path.name.startswith("_"))
