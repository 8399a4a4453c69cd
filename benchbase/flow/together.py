"""A sweep by several processes that torchrun has started: rank 0 runs it, the others take part in its trainings and nothing else.

Rank 0 alone plans, prunes, measures, writes the store and the records. When it comes to a training, it tells the others the stage's key; each
finds that stage in the same suite, makes the same network from the same store, and trains it with the others. So the store is a folder that
all of them see. A rank that is lost ends them all; torchrun may start them again, and the training goes on after its last epoch.
"""
from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.course import Course
from benchbase.flow.do import Do, Stage, attempt, key_of
from benchbase.flow.plan import Planned, Planner, foreseen_outcomes
from benchbase.flow.single import PAUSES, Only
from benchbase.flow.team import Team


@dataclass(frozen=True)
class Part:
    """A `do` that takes part in a stage: what it makes is rank 0's to keep."""

    do: Do
    team: Team

    def __call__(self, stage: Stage, label: str = "", **inputs: Any) -> Any:
        if stage.cheap:
            return self.do(stage, label, **inputs)
        with tempfile.TemporaryDirectory() as folder:
            with suppress(BenchError):  # rank 0 has it too, and writes it down
                attempt(stage, replace(self.do.tools, course=Course(), team=self.team), Path(folder), inputs)
        return Planned(stage.kind, key_of(stage, inputs))


def follow(team: Team, opened: Callable[[str], Any]) -> None:
    """Take part in rank 0's trainings, until it has no more. opened(sweep): the suite's Bench."""
    bench = None
    while (call := team.same(None)) is not None:
        sweep, key = call
        bench = bench or opened(sweep)
        take_part(bench, key, team)


def take_part(bench: Any, key: str, team: Team) -> None:
    """Find the stage of this key among the suite's, and run it. What it is made from was written on another machine, maybe a moment ago."""
    for pause in PAUSES:
        time.sleep(pause)
        for cell in bench.cells:
            only = Only(Part(bench.do, team), lambda kind, label, n, own: own == key, Planner(bench.do))  # type: ignore[arg-type]
            for _ in foreseen_outcomes(cell, bench.machine, only):
                if only.came:
                    break
            if only.came and not isinstance(only.came[0], BenchError):  # whose inputs were seen
                return
    raise BenchError(f"rank 0 trains stage {key[:16]}, and it is not seen here", "the store must be a folder that all ranks share", "infra_error")
