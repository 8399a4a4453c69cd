"""One stage of a cell by itself, wherever the store is: all else is only looked up."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.cells import Cell
from benchbase.flow.do import Do, Event, Stage, key_of
from benchbase.flow.plan import Planner, foreseen_outcomes, waited_for
from benchbase.flow.store import Done

MEASURES = ("measure", "gauge")  # they take moments, and run with the stage that made what is measured
PAUSES = (0, 1, 4, 15, 40)  # seconds that another machine's files may take to be seen here


@dataclass(frozen=True)
class Step:
    """A stage that can run: all that it is made from is in the store. cell: the number of one that asks for it."""

    cell: int
    key: str
    kind: str
    label: str


@dataclass(frozen=True)
class Place:
    """Where a stage stands in its cell, whatever has run: the n-th (from 0) of this kind and label. cell: its number."""

    cell: int
    kind: str
    label: str
    n: int


@dataclass(frozen=True)
class Ran:
    """What came of a stage. events: of it, where it is done, and of what was measured of it.  error: why there is none."""

    events: tuple[Event, ...] = ()
    error: BenchError | None = None


@dataclass(frozen=True)
class Only:
    """A `do` that runs the stage that `wanted(kind, label, n, key)` names, and what is measured of it, and looks all others up."""

    do: Do
    wanted: Callable[[str, str, int, str], bool]
    planner: Planner
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    came: list[Done | BenchError] = field(default_factory=list)

    def __call__(self, stage: Stage, label: str = "", **inputs: Any) -> Any:
        if stage.cheap:
            return self.do(stage, label, **inputs)
        key, n = key_of(stage, inputs), self.seen[stage.kind, label]
        self.seen[stage.kind, label] += 1
        if self.came:
            of_it = stage.kind in MEASURES and not waited_for(inputs) and getattr(inputs["weights"], "key", "") == getattr(self.came[0], "key", None)
            return (self.do if of_it else self.planner)(stage, label, **inputs)
        if not self.wanted(stage.kind, label, n, key):
            return self.planner(stage, label, **inputs)
        try:
            if missing := waited_for(inputs):
                raise BenchError(f"what {stage.kind} {label} is made from is not in the store", f"run {missing[0][:16]} first", "infra_error")
            self.came.append(self.do(stage, label, **inputs))
        except BenchError as error:
            self.came.append(error)
            raise
        return self.came[0]


def run_single(cell: Cell, machine: Any, do: Do, wanted: Callable[[str, str, int, str], bool]) -> tuple[Ran | None, str]:
    """Run one stage of `cell`, and what is measured of it: (what came of it, ""); (None, why) where the cell does not come to it, with
    "" where it does without."""
    events: list[Event] = []

    def seen(event: Event) -> None:
        events.append(event)
        do.observe(event)
    own = replace(do, observe=seen)
    only, why = Only(own, wanted, Planner(do)), ""
    for outcome in foreseen_outcomes(cell, machine, only):
        if isinstance(outcome, tuple) and not only.came:
            why = why or f"{outcome[0]}: {outcome[1]}"
    if not only.came:
        return None, why
    done = only.came[0]
    told = tuple(event for event in events if event.kind != "resolve")
    return Ran(told, done if isinstance(done, BenchError) else None), ""


def run_step(step: Step, cell: Cell, machine: Any, do: Do) -> Ran:
    """Run the stage of a step. What it is made from may have been made on another machine a moment ago."""
    for pause in PAUSES:
        time.sleep(pause)
        ran, why = run_single(cell, machine, do, lambda kind, label, n, key: key == step.key)
        if ran is not None:
            return ran
    return Ran((), BenchError(f"{step.kind} {step.label}: what it is made from is not seen on this machine" + f" ({why})" * bool(why),
                              "the store must be a folder that all machines share", "infra_error"))


def places(cell: Cell, number: int, machine: Any, planner: Planner) -> Iterator[tuple[Place, str]]:
    """Where each stage of `cell` that costs stands, with the key that `planner` gives it."""
    seen: Counter[tuple[str, str]] = Counter()
    found: list[tuple[Place, str]] = []

    def note(stage: Stage, label: str = "", **inputs: Any) -> Any:
        if not stage.cheap:
            found.append((Place(number, stage.kind, label, seen[stage.kind, label]), key_of(stage, inputs)))
            seen[stage.kind, label] += 1
        return planner(stage, label, **inputs)

    for _ in foreseen_outcomes(cell, machine, note):
        pass
    yield from found
