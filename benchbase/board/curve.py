"""Operating points: where rows are compared, and the area under a method's curve of accuracy against compression.

A method is a curve, not a point (Blalock et al., "What is the State of Neural Network Pruning?", MLSys 2020, who ask for five operating
points at least, and for ratios such as 2, 4, 8, 16 and 32). Rows are ranked at these common points only, and the area is that of trapezoids
over the logarithm of the factor, between neighbours an octave apart at most: nothing is drawn where nobody measured.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchbase.board.entry import OWN_BASE, UNPRUNED, Entry, order_of
from benchbase.board.row import WEIGHTS, Row, Who
from benchbase.board.stats import mean_std

POINTS = (2, 4, 8, 16, 32)
NEAR = 0.02  # of a point's factor, at every seed
LEAST_POINTS = 5
OCTAVE = 1.0
UNTRAINED = ("one-shot", UNPRUNED, OWN_BASE)  # entries whose names start so are no pruned network that was trained


@dataclass(frozen=True)
class Curve:
    """A method's accuracies under one protocol.  points: (factor, mean top-1), by factor.  area: mean top-1 over the octaves from the first
    to the last point, in percent, and its sample deviation over seeds (None for one seed).  why: the reason where there is no area."""

    who: Who
    kind: str
    protocol: str
    points: tuple[tuple[float, float], ...]
    area: float | None = None
    std: float | None = None
    n: int = 0
    why: str = ""


def factor_of(row: Row) -> float | None:
    """By how much a row is smaller: multiply-adds of structured rows, weights that are not zero of the others."""
    return None if row.size is None else row.size.compression if row.kind == WEIGHTS else row.size.speedup


def point_of(row: Row) -> int | None:
    """The common point that all seeds of a row lie at, within 2 %; None where they do not."""
    if row.size is None:
        return None
    left, dense = (row.size.nonzero, row.size.dense.params) if row.kind == WEIGHTS else (row.size.macs, row.size.dense.macs)
    return next((point for point in POINTS
                 if left.low and max(abs(dense / left.low / point - 1), abs(dense / left.high / point - 1)) <= NEAR + 1e-9), None)


def trapezoids(points: Sequence[tuple[float, float]]) -> float:
    """The mean height of a curve over the logarithm of its factors, which ascend.

    >>> round(trapezoids([(2, 90.0), (4, 80.0), (8, 60.0)]), 6)
    77.5
    """
    steps = [(math.log2(b / a), (x + y) / 2) for (a, x), (b, y) in zip(points, points[1:])]
    return sum(width * height for width, height in steps) / sum(width for width, _ in steps)


def refusal(factors: Sequence[float]) -> str:
    """Why a curve through these factors, ascending, has no area; "" where it has."""
    if len(factors) < LEAST_POINTS:
        return f"{len(factors)} of {LEAST_POINTS} operating points"
    for a, b in zip(factors, factors[1:]):
        if math.log2(b / a) > OCTAVE + 2 * math.log2(1 + NEAR):
            return f"nothing between {a:.3g}× and {b:.3g}×, more than an octave"
    return ""


def curves_of(rows: Iterable[Row]) -> tuple[Curve, ...]:
    """One curve for each method of more than one row, kind and protocol that trains. Of rows at one factor the first in order counts."""
    found: dict[tuple[str, str, str], list[tuple[float, Row, Entry]]] = {}
    for row in rows:
        factor = factor_of(row)
        for entry in row.entries:
            if factor and entry.values and not entry.protocol.startswith(UNTRAINED):
                found.setdefault((row.kind, row.who.label, entry.protocol), []).append((factor, row, entry))
    ordered = sorted(found.items(), key=lambda item: (*item[0][:2], order_of(item[0][2])))
    return tuple(_curve(kind, protocol, cells) for (kind, _, protocol), cells in ordered if len(cells) > 1)


def _curve(kind: str, protocol: str, cells: Sequence[tuple[float, Row, Entry]]) -> Curve:
    at: dict[float, Entry] = {}
    for factor, _, entry in cells:
        at.setdefault(round(factor, 6), entry)
    factors = sorted(at)
    points = tuple((f, at[f].mean or 0.0) for f in factors)
    who = cells[0][1].who
    values = {f: dict(at[f].values) for f in factors}
    seeds = sorted(set.intersection(*(set(v) for v in values.values())))
    why = refusal(factors) or ("" if seeds else "no seed has all points")
    if why:
        return Curve(who, kind, protocol, points, why=why)
    area, std = mean_std([trapezoids([(f, values[f][seed]) for f in factors]) for seed in seeds])
    return Curve(who, kind, protocol, points, area, std, len(seeds))
