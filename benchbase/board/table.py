"""Tables from records: a pure function, the same for the same records in any order.

One table for each data set, model, recipe of the base and recipe of fine-tuning; one row for each method, with its parameters, and budget.
"""
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from benchbase.board.base import Base, base_of
from benchbase.board.controls import lacking
from benchbase.board.crossed import with_crossed
from benchbase.board.curve import Curve, curves_of, point_of
from benchbase.board.detail import detail_of
from benchbase.board.entry import Entry, Gap, order_of
from benchbase.board.flags import doubts_of, flags_of, listed
from benchbase.board.labels import budget_key, budget_labels, budget_order, method_key, row_key, table_key, whos
from benchbase.board.ranks import ranks_of
from benchbase.board.row import Bag, Row, Who, row_of
from benchbase.board.shared import Link, linked
from benchbase.board.spent import Spent, spent_on
from benchbase.board.tier import tier_of
from benchbase.board.verdict import delta_of, judge

if TYPE_CHECKING:
    from benchbase.values.record import Failure, Record

__all__ = ["Entry", "Gap", "Row", "Setting", "Table", "tables"]


@dataclass(frozen=True)
class Setting:
    """What all rows of a table have in common.  classes: 0 where no record says."""

    dataset: str
    fingerprint: str
    model: str
    recipe: Mapping[str, Any]
    finetune: Mapping[str, Any]
    classes: int = 0
    protocol_version: int = 1


@dataclass(frozen=True)
class Table:
    """rows: structured ones first, then those of single weights; by budget, then by method.  delta: points of top-1 that count here.
    links: what the letters on entries mean.  places: what the runs were made with, name -> values.  flags: of the table as a whole.
    curves: one a method and protocol.  family: the comparisons that ranks are adjusted over, "table" or "point"."""

    setting: Setting
    rows: tuple[Row, ...]
    delta: float
    base: Base
    links: tuple[Link, ...] = ()
    ledger: tuple[Spent, ...] = ()
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    curves: tuple[Curve, ...] = ()
    family: str = "table"

    @property
    def protocols(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(sorted({e.protocol for row in self.rows for e in row.entries}, key=order_of))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of rows: "structured" before "weights"."""
        return tuple(sorted({row.kind for row in self.rows}))

    @property
    def words(self) -> dict[str, int]:
        """Verdict -> how many rows have it; "" counts the rows without one."""
        return dict(Counter(row.verdict.word for row in self.rows))


def tables(records: Iterable[Record], failures: Iterable[Failure] = (), repeats: Iterable[Record] = (),
           defaults: Mapping[str, Mapping[str, Any]] | None = None) -> list[Table]:
    """All tables, by data set, model and recipe.

    repeats: reproductions, which count for no seed; of records of one key all but the first that was started are some too. Records that
    another one of the same cell supersedes are left out.  defaults: method -> the defaults of its parameters, to leave out of labels what
    is as it was; without them labels tell the parameters in which the rows of one method differ. Ranks are adjusted over the comparisons at one
    operating point where all records of a table come from suites that say so, over all of the table else.
    """
    first, again = _once(records)
    failed = list({f.key: f for f in sorted(failures, key=lambda f: (f.key, f.started, f.kind, f.message, f.protocol))}.values())
    who = whos([x.method for x in (*first, *failed)], defaults or {})
    bags: dict[str, dict[str, Bag]] = {}
    for name, items in (("records", first), ("failures", failed), ("repeats", sorted([*again, *repeats], key=_order))):
        for item in items:
            getattr(bags.setdefault(table_key(item), {}).setdefault(row_key(item), Bag()), name).append(item)
    made = [_table(full, who) for rows in bags.values() if (full := [bag for bag in rows.values() if bag.records or bag.failures])]
    return sorted(made, key=lambda t: _place(t.setting))


def _table(bags: Sequence[Bag], who: Mapping[str, Who]) -> Table:
    records = [r for bag in bags for r in bag.records]
    family = "point" if {r.family for r in records} == {"point"} else "table"
    delta = delta_of(bags[0].first.dataset.name)
    base = base_of(records, delta)
    rows = []
    for bag, label in zip(bags, budget_labels([bag.first.budget for bag in bags])):
        row = judged(bag, row_of(bag, who[method_key(bag.first.method)], label, _folder(bag.first)), delta, base)
        row = replace(row, detail=detail_of(bag), point=point_of(row), gaps=with_crossed(row.gaps, bag.records), tier=tier_of(bag))
        rows.append(((row.kind, budget_order(bag.first.budget, label), row.who.label), row))
    flags = (*_flags(records), *lacking([row for _, row in rows], bags))
    marked, links = linked([row for _, row in sorted(rows, key=lambda pair: pair[0])])
    ranked = tuple(replace(row, ranks=ranks) for row, ranks in zip(marked, ranks_of(marked, family)))
    return Table(_setting(bags, records), ranked, delta, base, links, spent_on(bags), _places(records), flags,
                 curves_of(ranked), family)


def judged(bag: Bag, row: Row, delta: float, base: Base) -> Row:
    """The row with its flags, and with the verdict on its gap at equal compute."""
    row = replace(row, flags=flags_of(row, bag))
    gap = row.gap("matched")
    failed = {*(gap.failed if gap else ()), *(m.seed for m in row.missing if not m.protocol)}
    return replace(row, verdict=judge(gap.interval if gap else None, delta, base.converged, len(failed), doubts_of(row)))


def _once(records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """The records that count, and the repeats of them. A record that supersedes its own key stands for those before it."""
    found = sorted(records, key=_order)
    gone = {(r.supersedes, _cell(r)) for r in found if r.supersedes and r.supersedes != r.key}
    first: dict[str, Record] = {}
    again: list[Record] = []
    for r in found:
        if (r.key, _cell(r)) in gone:
            continue
        if r.key not in first or r.supersedes == r.key:
            first[r.key] = r
        else:
            again.append(r)
    return list(first.values()), again


def _cell(r: Record) -> tuple[Any, ...]:
    """What a correction has in common with the record that it corrects: nobody's record hides that of another method, budget or seed."""
    return r.dataset.name, r.model, r.method.name, budget_key(r.budget), r.protocol, r.seed


def _order(r: Record) -> tuple[str, ...]:
    return r.key, r.started, r.digests.final, str(r.metrics.top1), str(r.seconds)


def _setting(bags: Sequence[Bag], records: Sequence[Record]) -> Setting:
    one = bags[0].first
    classes = max((r.architecture.num_classes for r in records), default=0)
    return Setting(one.dataset.name, one.dataset.fingerprint, one.model, one.recipe, one.finetune_recipe, classes, one.protocol_version)


def _place(s: Setting) -> tuple[Any, ...]:
    """Tables of one data set and model stand together, the longest recipe first."""
    return s.dataset, s.model, -int(s.recipe.get("epochs", 0)), -int(s.finetune.get("epochs", 0)), s.fingerprint, json.dumps([s.recipe, s.finetune])


def _folder(item: Record | Failure) -> str:
    from benchbase.values.record import path_of

    parent = path_of(item).parent
    return (parent.parent if parent.name == "failed" else parent).as_posix()


def _places(records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """What the runs were made with: devices, precisions, versions."""
    devices = {str(r.device.get("name") or r.device.get("type") or "unknown") for r in records}
    found = {"devices": devices, "precision": {r.precision for r in records},
             **{name: {r.versions[name] for r in records if name in r.versions} for name in ("benchbase", "torch")}}
    return {name: tuple(sorted(values)) for name, values in found.items() if values}


def _flags(records: Sequence[Record]) -> Iterator[str]:
    """One plain base a seed is the control of all rows (gate 1); one calibration set recomputes all batch-norm statistics (gate 12)."""
    plain: dict[int, set[str]] = {}
    for r in records:
        plain.setdefault(r.seed, set()).add(r.digests.plain)
    if odd := [seed for seed, digests in plain.items() if len(digests) > 1]:
        yield f"several bases for seed {listed(odd)}: rows were made on different machines or versions, and compare within themselves only"
    if len({r.digests.calibration for r in records if r.digests.calibration}) > 1:
        yield "several calibration sets: one-shot accuracies with recomputed batch-norm statistics do not compare"
