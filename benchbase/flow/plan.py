"""The plan: which stages a sweep asks for, which are in the store, which will run, and who shares them. Nothing is trained."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from benchbase.flow.cells import Cell
from benchbase.flow.do import Do, Stage, as_failure, key_of
from benchbase.flow.experiment import Failed, Outcome, experiment
from benchbase.flow.facts import About, about
from benchbase.values.architecture import Architecture
from benchbase.values.cost import TRAIN_FACTOR, Cost


@dataclass(frozen=True)
class Planned:
    """Stands for the result of a stage that has not run. It enters keys by the key of that stage."""

    kind: str
    key: str

    @property
    def identity(self) -> list[str]:
        return ["planned", self.key]


@dataclass(frozen=True)
class Entry:
    """One stage of a plan. asked: by how many cells and protocols.  exact: False where it waits for what a method decides, so that
    fewer may be left in the end.  macs: of a training, backward passes included.  needs: keys of the stages that have to run before it.
    images, work: of a training, those of all epochs, and the multiply-adds that are computed, with weights that masks hold at zero too."""

    kind: str
    key: str
    label: str
    cached: bool
    asked: int
    exact: bool = True
    epochs: int = 0
    macs: int = 0
    needs: tuple[str, ...] = ()
    about: About = ("", "", "")
    images: int = 0
    work: int = 0


@dataclass(frozen=True)
class Planner:
    """A `do` that never runs a stage that costs: it looks each up and writes down who asked. It changes nothing in the store but
    what cheap stages add to it. blank: plan as if nothing but those had run yet, so that keys do not depend on what has."""

    do: Do
    entries: dict[str, Entry] = field(default_factory=dict)
    blank: bool = False

    def __call__(self, stage: Stage, label: str = "", **inputs: Any) -> Any:
        if stage.cheap:
            return self.do(stage, label, **inputs)
        key = key_of(stage, inputs)
        done, seen, recipe = None if self.blank else self.do.find(key), self.entries.get(key), inputs.get("recipe")
        if done is None and not self.blank and (failed := self.do.failure(key)):
            raise failed
        exact = isinstance(inputs.get("architecture"), Architecture) and inputs.get("after") is None
        epochs = (inputs.get("until") or recipe.epochs) - (inputs.get("since") or 0) if recipe and stage.kind == "train" else 0
        entry = seen or Entry(stage.kind, key, label, done is not None, 0, exact, epochs, 0, waited_for(inputs), self.about(inputs))
        self.entries[key] = replace(entry, asked=entry.asked + 1)
        return done or Planned(stage.kind, key)

    def about(self, inputs: dict[str, Any]) -> About:
        """What a stage is about; where its architecture waits for a pruning, the model is that one's."""
        model, dataset, method = about(inputs)
        waits = self.entries.get(getattr(inputs.get("architecture"), "key", ""))
        return model or (waits.about[0] if waits else ""), dataset, method

    def charge(self, stage: Any, cost: Cost, images: int) -> None:
        """Write down the multiply-adds of a training; of no other stage."""
        entry = self.entries.get(stage.key)
        if entry and entry.kind == "train":
            seen = entry.epochs * images
            self.entries[stage.key] = replace(entry, macs=TRAIN_FACTOR * seen * cost.macs_nonzero, images=seen, work=TRAIN_FACTOR * seen * cost.macs)


def waited_for(inputs: Any) -> tuple[str, ...]:
    """Keys of the stages that have not run among what a stage is given: it cannot run before them."""
    if isinstance(inputs, Planned):
        return (inputs.key,)
    parts = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, (list, tuple)) else ()
    return tuple(dict.fromkeys(key for part in parts for key in waited_for(part)))


@dataclass(frozen=True)
class Plan:
    """cells: how many.  entries: the distinct stages.  refused: cells and protocols that are not applicable or failed before, with
    the reason."""

    cells: int
    entries: tuple[Entry, ...]
    refused: tuple[tuple[str, str], ...] = ()

    def count(self, kind: str) -> dict[str, int]:
        """Stages of a kind: asked (with repeats), distinct, in the store, to run."""
        own = [e for e in self.entries if e.kind == kind]
        cached = sum(e.cached for e in own)
        return {"asked": sum(e.asked for e in own), "distinct": len(own), "cached": cached, "to_run": len(own) - cached}

    @property
    def at_most(self) -> bool:
        """Whether fewer stages may be left in the end: a method decides an architecture, or what pruning costs, that is not known yet."""
        return not all(entry.exact for entry in self.entries)

    def to_json(self) -> dict[str, Any]:
        """As the document of `bench plan --json`."""
        entries = [{"kind": e.kind, "key": e.key, "label": e.label, "cached": e.cached, "asked": e.asked, "exact": e.exact,
                    "epochs": e.epochs, "macs": e.macs} for e in self.entries]
        return {"cells": self.cells, "stages": {kind: self.count(kind) for kind in ("train", "prune", "measure", "gauge")}, "at_most": self.at_most,
                "macs_to_run": sum(e.macs for e in self.entries if not e.cached),
                "refused": [{"cell": cell, "reason": reason} for cell, reason in self.refused], "entries": entries}


def plan(cells: Iterable[Cell], machine: Any, do: Do) -> Plan:
    """Walk every cell's experiment with a `do` that runs nothing. Exact for predefined targets, "at most" for automatic ones."""
    planner, refused, count = Planner(do), [], 0
    for cell in cells:
        count += 1
        for outcome in foreseen_outcomes(cell, machine, planner):
            if isinstance(outcome, Outcome):
                charge(planner, outcome)
            else:
                refused.append(outcome)
    return Plan(count, tuple(planner.entries.values()), tuple(refused))


def foreseen_outcomes(cell: Cell, machine: Any, planner: Callable[..., Any]) -> Iterator[Outcome | tuple[str, str]]:
    """The outcomes of a cell as far as they are known without running it; (what, why) for one that will not be."""
    try:
        for outcome in experiment(cell, machine, planner):
            yield (f"{outcome.protocol.name}: {cell.label}", outcome.error.what) if isinstance(outcome, Failed) else outcome
    except (Exception, SystemExit) as error:
        failed = as_failure(error, "experiment")
        if failed.kind == "usage":
            raise
        yield cell.label, failed.what


def charge(planner: Planner, outcome: Outcome) -> None:
    """Write what the trainings of an outcome cost into their entries."""
    ready = outcome.ready
    images, dense = ready.cell.work.images, ready.target.dense
    for stage in (ready.base.plain, ready.base.own, outcome.early, *(trial.own for trial in ready.others)):
        if stage is not None:
            planner.charge(stage, dense, images)
    planner.charge(outcome.final, dense if outcome.protocol.start == "unpruned" else ready.cost, images)
