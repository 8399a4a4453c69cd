"""The plan: which stages a sweep asks for, which are in the store, which will run, and who shares them. Nothing is trained."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.cells import Cell
from benchbase.flow.do import Do, Stage, key_of
from benchbase.flow.experiment import TRAIN_FACTOR, experiment
from benchbase.values.architecture import Architecture


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
    """One stage of a plan. asked: by how many cells and protocols.  exact: False where the method decides an architecture that is not
    known yet, so that fewer trainings may be left in the end."""

    kind: str
    key: str
    label: str
    cached: bool
    asked: int
    exact: bool = True
    epochs: int = 0
    macs: int = 0


@dataclass(frozen=True)
class Planner:
    """A `do` that never runs a stage that costs: it looks each up and writes down who asked."""

    do: Do
    images: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)

    def __call__(self, stage: Stage, label: str = "", **inputs: Any) -> Any:
        if stage.cheap:
            return self.do(stage, label, **inputs)
        key = key_of(stage, inputs)
        done = self.do.store.get(key)
        seen = self.entries.get(key)
        architecture, recipe = inputs.get("architecture"), inputs.get("recipe")
        self.entries[key] = Entry(stage.kind, key, label, done is not None, 1 + (seen.asked if seen else 0),
                                  isinstance(architecture, Architecture), recipe.epochs if recipe else 0)
        return done or Planned(stage.kind, key)


@dataclass(frozen=True)
class Plan:
    """cells: how many.  entries: the distinct stages.  refused: cells that are not applicable, with the reason."""

    cells: int
    entries: tuple[Entry, ...]
    refused: tuple[tuple[str, str], ...] = ()

    def count(self, kind: str) -> dict[str, int]:
        """Stages of a kind: asked (with repeats), distinct, in the store, to run."""
        own = [e for e in self.entries if e.kind == kind]
        cached = sum(e.cached for e in own)
        return {"asked": sum(e.asked for e in own), "distinct": len(own), "cached": cached, "to_run": len(own) - cached}

    def to_json(self) -> dict[str, Any]:
        """As the document of `bench plan --json`."""
        entries = [{"kind": e.kind, "key": e.key, "label": e.label, "cached": e.cached, "asked": e.asked, "exact": e.exact,
                    "epochs": e.epochs, "macs": e.macs} for e in self.entries]
        return {"cells": self.cells, "stages": {kind: self.count(kind) for kind in ("train", "prune", "measure")},
                "at_most": not all(e.exact for e in self.entries), "macs_to_run": sum(e.macs for e in self.entries if not e.cached),
                "refused": [{"cell": cell, "reason": reason} for cell, reason in self.refused], "entries": entries}


def plan(cells: Iterable[Cell], machine: Any, do: Do) -> Plan:
    """Walk every cell's experiment with a `do` that runs nothing. Exact for predefined targets, "at most" for automatic ones."""
    planner, refused, count = Planner(do), [], 0
    for cell in cells:
        count += 1
        try:
            for outcome in experiment(cell, machine, planner):
                _charge(planner, cell, outcome)
        except BenchError as error:
            if error.kind == "usage":
                raise
            refused.append((cell.label, error.what))
    return Plan(count, tuple(planner.entries.values()), tuple(refused))


def _charge(planner: Planner, cell: Cell, outcome: Any) -> None:
    """Write the multiply-adds of the outcome's training, and of its base, into their entries."""
    from dataclasses import replace

    dense, pruned = outcome.target.dense.macs, (outcome.target.pruned or outcome.target.dense).macs
    own = dense if outcome.protocol.start == "unpruned" else pruned
    for stage, macs in ((outcome.base.plain, dense), (outcome.base.own, dense), (outcome.final, own)):
        entry = planner.entries.get(stage.key)
        if entry and entry.kind == "train":
            planner.entries[stage.key] = replace(entry, macs=TRAIN_FACTOR * entry.epochs * cell.work.images * macs)
