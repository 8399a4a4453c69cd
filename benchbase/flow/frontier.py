"""A sweep stage by stage: which stages can run now, and which cells have all of theirs, as others come in."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from benchbase.errors import BenchError
from benchbase.flow.cells import Cell
from benchbase.flow.do import Do, Event, Running, Stage, key_of
from benchbase.flow.plan import Planned, foreseen_outcomes, waited_for
from benchbase.flow.single import PAUSES, Ran, Step


@dataclass(frozen=True)
class Room:
    """What each stage takes, and where it runs. memory: bytes, 0 where nothing is said.  address: of the cluster, "" for this machine.
    jobs: stages at a time, on this machine.  grace: seconds that interrupted stages have for their checkpoints.  environment: variables of
    the processes that run them."""

    cpus: int
    gpus: int
    memory: int
    address: str
    jobs: int
    grace: float
    environment: Mapping[str, str]


class Pool(Protocol):
    """Workers that stages are given to."""

    def give(self, step: Step) -> None:
        """Take one more; it runs as soon as there is room for it."""

    def ended(self) -> Sequence[tuple[Step, Ran | BenchError]]:
        """Those that have ended since this was last called, at least one: what came of them, or how they were lost."""


@dataclass(frozen=True)
class Scout:
    """A `do` that runs nothing that costs and notes what can run. runnable: key -> (kind, label).  waits: [how many stages are not there]."""

    do: Do
    runnable: dict[str, tuple[str, str]] = field(default_factory=dict)
    waits: list[int] = field(default_factory=lambda: [0])

    def __call__(self, stage: Stage, label: str = "", **inputs: Any) -> Any:
        if stage.cheap:
            return self.do(stage, label, **inputs)
        key = key_of(stage, inputs)
        if (done := self.do.find(key)) is not None:
            return done
        if failure := self.do.failure(key):
            raise failure
        self.waits[0] += 1
        if not waited_for(inputs):
            self.runnable[key] = stage.kind, label
        return Planned(stage.kind, key)


@dataclass(frozen=True)
class Frontier:
    """do: its `known` holds the failures of this sweep.  under_way: key -> cells that wait for it.  ran: what workers have run."""

    cells: Sequence[Cell]
    machine: Any
    do: Do
    under_way: dict[str, set[int]] = field(default_factory=dict)
    ran: dict[str, Event] = field(default_factory=dict)

    def look(self, number: int) -> list[Step] | None:
        """What of a cell can run and nobody runs yet; None where all of it is there, or has failed."""
        scout = Scout(replace(self.do, observe=lambda event: None))
        for _ in foreseen_outcomes(self.cells[number], self.machine, scout):
            pass
        if not scout.waits[0]:
            return None
        new = [Step(number, key, *told) for key, told in scout.runnable.items() if key not in self.under_way]
        for key in scout.runnable:
            self.under_way.setdefault(key, set()).add(number)
        return new

    def end(self, step: Step, came: Ran | BenchError) -> set[int]:
        """Take in what came of a stage; the cells that waited for it. Raises BenchError where no other stage could do better."""
        error = came if isinstance(came, BenchError) else came.error
        if error is not None:
            if error.kind == "usage":
                raise error
            self.do.known[step.key] = error
        elif not self._seen(step.key):
            raise BenchError("a stage that a worker has finished is not in the store here", "the store must be a folder that all machines share")
        for event in () if isinstance(came, BenchError) else came.events:
            self.ran[event.key] = event
        return self.under_way.pop(step.key)

    def _seen(self, key: str) -> bool:
        for pause in PAUSES:
            time.sleep(pause)
            if self.do.find(key) is not None:
                return True
        return False


def staged(frontier: Frontier, pool: Pool, tell: Callable[[Event | Running], None]) -> Iterator[int]:
    """Run the cells by giving their stages to `pool`, each once, as soon as it can run; the number of each cell whose stages are all there."""
    left = todo = set(range(len(frontier.cells)))
    while True:
        for number in sorted(todo & left):
            steps = frontier.look(number)
            if steps is None:
                left = left - {number}
                yield number
            for step in steps or ():
                pool.give(step)
        if not frontier.under_way:
            return
        todo = set()
        for step, came in pool.ended():
            todo |= frontier.end(step, came)
            tell(Running(step.kind, step.key, step.label, 1.0))
            for event in () if isinstance(came, BenchError) else came.events:
                tell(event)
