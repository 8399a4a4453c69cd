"""Which rows stand without a control: another method's choice at the same widths (gate 7).

What a row gains over random channels of its widths is owed to the choice of channels; without such a row beside it nobody can tell that from
what the widths give (Su et al., "Sanity-Checking Pruning Methods", NeurIPS 2020).
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchbase.board.row import Bag, Row

if TYPE_CHECKING:
    from benchbase.values.record import Record

SHOWN = 6  # rows that are named


def lacking(rows: Sequence[Row], bags: Sequence[Bag]) -> Iterator[str]:
    """At most one flag: the rows without another method's row of the same widths (weights: of the same counts; blocks: of as many).
    bags: of the rows, in their order."""
    who: dict[tuple[Any, ...], set[str]] = {}
    for bag in bags:
        for place in places(bag.records):
            who.setdefault(place, set()).add(bag.first.method.name)
    alone = [row.label for row, bag in zip(rows, bags)
             if (own := {*places(bag.records)}) and not any(who[place] - {bag.first.method.name} for place in own)]
    if alone:
        yield f"no other choice at the same widths beside {', '.join(alone[:SHOWN])}{f' and {len(alone) - SHOWN} more' if len(alone) > SHOWN else ''}"


def places(records: Iterable[Record]) -> Iterator[tuple[Any, ...]]:
    """What each pruned network of a row has in common with those that control it."""
    for r in records:
        if not r.protocol.startswith("unpruned"):
            yield r.protocol, r.seed, *common(r)


def common(r: Record) -> tuple[Any, ...]:
    """Of weights the counts that are left, of blocks how many, of channels the widths."""
    if r.architecture.masks:
        return "weights", r.metrics.nonzero, r.metrics.macs_nonzero
    if r.architecture.dropped:
        return "blocks", len(r.architecture.dropped)
    return "channels", tuple(sorted(r.architecture.shapes.items()))
