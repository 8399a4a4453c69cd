"""`--budget-time`: the part of a suite that a command is about, and what is said of it."""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchbase.cli.output import count, seconds_text
from benchbase.cli.signals import parse_duration

if TYPE_CHECKING:
    from benchbase.flow.part import Chosen
    from benchbase.flow.settings import Settings
    from benchbase.plugin.manager import Plugins
    from benchbase.values.spec import Suite

ROWS = 8  # of what is left out that are named


def part_from(budget_time: str | None, suite: Suite, settings: Settings, plugins: Plugins) -> tuple[Settings, Chosen | None]:
    """The settings for the part of the suite that fits in the time, and which it is; (settings, None) where no time is given.

    Raises BenchError for what is no time, and where no cell's time is known or none fits.
    """
    if not budget_time:
        return settings, None
    seconds = parse_duration(budget_time, "--budget-time")
    from benchbase.flow.part import part_of

    chosen = part_of(suite, settings, seconds, plugins)
    return replace(settings, cells=chosen.numbers), chosen


def part_text(part: Chosen) -> str:
    """What is in it and what is not, in a line."""
    said = f"{len(part.numbers)} of {count(part.cells, 'cell')} in about {seconds_text(part.seconds)}"
    if not part.left_out:
        return said
    rows = [f"{row} seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}" for row, seeds in part.left_out]
    more = [f"and {count(len(rows) - ROWS, 'row')} more"] if len(rows) > ROWS else []
    return f"{said}; left out: {'; '.join(rows[:ROWS] + more)}"


def part_json(part: Chosen | None) -> dict[str, Any] | None:
    """As the key "part" of a document; None without --budget-time."""
    return None if part is None else {
        "cells": len(part.numbers), "of": part.cells, "seconds": round(part.seconds, 3),
        "left_out": [{"row": row, "seeds": list(seeds)} for row, seeds in part.left_out]}
