"""The stages of a suite that are left to run, by level: all of a level can run side by side once those below it have."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchbase.flow.cells import Cell
from benchbase.flow.do import Do
from benchbase.flow.plan import Entry, Planner
from benchbase.flow.single import MEASURES, Place, places


@dataclass(frozen=True)
class Named:
    """A stage that costs. key: as if nothing had run yet, the same before, amid and after a sweep.  now: its key as far as it is known now, ""
    where its cell does not come to it any more: something before it has failed."""

    key: str
    now: str
    place: Place


@dataclass(frozen=True)
class Names:
    """Names of the stages of a suite, as its cells come to them. blank: plans as if nothing had run.  real: with what has."""

    machine: Any
    blank: Planner
    real: Planner

    def of(self, number: int, cell: Cell) -> Iterator[Named]:
        """Those of a cell, as far as anything was known of it before it ran."""
        now = dict(places(cell, number, self.machine, self.real))
        for place, key in places(cell, number, self.machine, self.blank):
            yield Named(key, now.get(place, ""), place)


def names_in(machine: Any, do: Do) -> Names:
    """For the stages of one suite."""
    return Names(machine, Planner(do, blank=True), Planner(do))


def levels(cells: list[Cell], machine: Any, do: Do) -> list[list[Named]]:
    """The stages that are not in the store, the first that can run first. What is measured of a stage runs with it and is not among them.

    Stages that only show once others have run (what a search tries next) are in no level: whoever gathers in the end runs them.
    """
    names = names_in(machine, do)
    found = {named.key: named for number, cell in enumerate(cells) for named in names.of(number, cell) if named.now}

    def ended(key: str) -> bool:
        entry = names.real.entries.get(found[key].now) if key in found else None
        return key in found and (entry is None or entry.cached)  # none of one that has failed before

    height = heights(names.blank.entries, ended)
    left = [named for key, named in found.items() if named.place.kind not in MEASURES and height(key)]
    return [[named for named in left if height(named.key) == level] for level in range(1, 1 + max((height(named.key) for named in left), default=0))]


def heights(entries: Mapping[str, Entry], cached: Callable[[str], bool]) -> Callable[[str], int]:
    """key -> how many stages have to run one after another until that one has; 0 where it is there. Measuring runs with what is measured."""
    @cache
    def height(key: str) -> int:
        if cached(key):
            return 0
        entry = entries[key]
        return (entry.kind not in MEASURES) + max((height(need) for need in entry.needs), default=0)
    return height
