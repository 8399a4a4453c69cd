"""What dominates what: accuracy against multiply-adds, within one table and kind of row."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbase.board.row import WEIGHTS, Row

# Protocols by which rows are compared: the first that a row has.
BY = ("finetune-matched", "finetune", "scratch-matched", "scratch-b", "scratch-e", "one-shot")


@dataclass(frozen=True)
class Standing:
    """Where a row stands under one protocol.  macs: that are left.  top1: mean over seeds.  above: the most accurate row that needs no more
    multiply-adds and is no worse in either; None for one on the Pareto front."""

    protocol: str
    macs: float
    top1: float
    above: Row | None = None


def standing(row: Row, rows: Sequence[Row], protocol: str = "") -> Standing | None:
    """Where `row` stands among the rows of its table. protocol: by which they are compared; the first of BY that it has when left out.
    None where the row has no accuracy to compare."""
    by = protocol or next((p for p in BY if _point(row, p)), "")
    own = _point(row, by)
    if own is None:
        return None
    others = [(other, point) for other in rows if other is not row and other.kind == row.kind and (point := _point(other, by))]
    better = [(other, point) for other, point in others if point[0] <= own[0] and point[1] >= own[1] and point != own]
    above = max(better, key=lambda pair: (pair[1][1], -pair[1][0], pair[0].label))[0] if better else None
    return Standing(by, *own, above)


def _point(row: Row, protocol: str) -> tuple[float, float] | None:
    """(multiply-adds left, mean top-1) under a protocol; None where the row has none."""
    entry = row.entry(protocol)
    if entry is None or entry.mean is None or row.size is None:
        return None
    return (row.size.macs_nonzero if row.kind == WEIGHTS else row.size.macs).mean, entry.mean
