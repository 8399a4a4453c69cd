"""A suite before it runs: its plan with a forecast, and the part of it that fits in a time."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbase.flow.cells import Cell
from benchbase.flow.do import identity
from benchbase.flow.facts import facts, place_of
from benchbase.flow.forecast import COSTLY, Forecast, prices
from benchbase.flow.informative import Offer, informative
from benchbase.flow.plan import Entry, Plan, plan
from benchbase.flow.run import Bench, foreseen, open_suite
from benchbase.flow.settings import Settings
from benchbase.plugin.manager import Plugins
from benchbase.values.digest import digest
from benchbase.values.spec import Suite


@dataclass(frozen=True)
class Chosen:
    """The part of a suite that fits in a time. numbers: of its cells in the suite.  cells: how many the suite has.  seconds: that the part is
    thought to take.  left_out: (row, its seeds) of what is not in it."""

    numbers: tuple[int, ...]
    cells: int
    seconds: float
    left_out: tuple[tuple[str, tuple[int, ...]], ...]


def foreseen_suite(suite: Suite, settings: Settings, plugins: Plugins | None = None) -> tuple[Plan, Forecast]:
    """The plan of a suite, and what is left of it to run."""
    bench = open_suite(suite, settings, plugins)
    made = plan(bench.cells, bench.machine, bench.do)
    return made, foreseen(made.entries, bench.machine, settings)


def part_of(suite: Suite, settings: Settings, seconds: float, plugins: Plugins | None = None) -> Chosen:
    """The most informative cells of a suite that fit in `seconds`, of which `settings.jobs` run at a time. As `informative`."""
    bench = open_suite(suite, settings, plugins)
    offers = offers_of(bench, settings)
    part = informative(offers, seconds * settings.jobs)
    return Chosen(part.numbers, len(bench.cells), part.seconds / settings.jobs, left_out(bench.cells, part.numbers))


def offers_of(bench: Bench, settings: Settings) -> list[Offer]:
    """The cells with what each needs that is not in the store, priced."""
    plans = [plan([cell], bench.machine, bench.do).entries for cell in bench.cells]
    entries: dict[str, Entry] = {e.key: e for found in plans for e in found}
    known = prices(tuple(entries.values()), facts(settings.store, [e.key for e in entries.values() if e.cached]), place_of(bench.machine))

    def cost(key: str) -> float | None:
        return known[key].seconds if key in known else None
    return [Offer(row_of(cell), cell.seed, {e.key: cost(e.key) for e in found if not e.cached and e.kind in COSTLY})
            for cell, found in zip(bench.cells, plans, strict=True)]


def row_of(cell: Cell) -> str:
    """What a cell is one seed of."""
    work = cell.work
    return digest([row_label(cell), [p.name for p in cell.protocols], identity(work.data), identity(work.recipe), identity(work.finetune)])


def row_label(cell: Cell) -> str:
    """A row for people."""
    return cell.label.removesuffix(f" seed {cell.seed}")


def left_out(cells: Sequence[Cell], numbers: Sequence[int]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """(row, its seeds) of the cells without these numbers."""
    taken, found = set(numbers), dict[str, list[int]]()
    for number, cell in enumerate(cells):
        if number not in taken:
            found.setdefault(row_label(cell), []).append(cell.seed)
    return tuple((row, tuple(seeds)) for row, seeds in found.items())
