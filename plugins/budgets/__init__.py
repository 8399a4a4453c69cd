"""Budgets by name: what the paper's tables prune, as data."""
from __future__ import annotations

from pathlib import Path

from benchbase import hookimpl


@hookimpl
def bench_budgets() -> list[Path]:
    """YAML files of named budgets: name -> `ratio`, `ratios`, `widths` or `dropped`, with `scope`, `model` and `source`."""
    return [Path(__file__).with_name("paper.yaml")]
