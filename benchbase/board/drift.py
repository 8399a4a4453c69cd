"""Whether a run repeats a record: bit for bit where everything is the same, within a tolerance elsewhere.

On another processor or with other versions sums are rounded otherwise, and a training ends elsewhere, as with another seed. Two draws of
one cell then differ by as much as seeds do, and at least by as much as a test split of N images resolves:

  test split  1.96 x sqrt(2 p (1 - p) / N): two binomial shares with accuracy p, taken as independent (Agresti, Categorical Data Analysis, 2013, 3.1)
  seeds       t(0.975, n - 1) x s x sqrt(2): the difference of two further draws, s the standard deviation over n >= 3 seeds of the row
              (Hahn and Meeker, Statistical Intervals, 1991, section 4.8)

The larger of the two is the tolerance, in points of top-1.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchbase.board.stats import mean_std, t_quantile

if TYPE_CHECKING:
    from benchbase.values.record import Record

LEVEL = 0.95
LEAST_SEEDS = 3
SHARE = 0.02  # by which what was removed may differ: the tolerance of budgets


@dataclass(frozen=True)
class Drift:
    """exact: everything that results depend on is the same, so that bits must be.  difference: of top-1, in points.  tolerance: of it, and
    where it comes from.  environment: (what, in the record, in the run) that differ.  reasons: why it is no repeat; empty where it is one."""

    exact: bool
    difference: float
    tolerance: float
    source: str
    environment: tuple[tuple[str, str, str], ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the run repeats the record."""
        return not self.reasons


def drift(record: Record, again: Record, others: Iterable[Record] = ()) -> Drift:
    """How far a run of a record's cell is from it. others: records of the same row, for the spread over seeds."""
    from benchbase.values.record import same

    differs = tuple(environment(record, again))
    exact, difference = not differs, again.metrics.top1 - record.metrics.top1
    points, source = (0.0, "same device, threads and versions: every bit must be the same") if exact else tolerance(record, others)
    reasons = []
    if record.key != again.key:
        reasons.append("it is another cell")
    elif exact:
        if not same(record, again):
            reasons.append(f"not the same bits on the same device, threads and versions: {', '.join(_unequal(record, again)) or 'the metrics'}")
    elif abs(difference) > points:
        reasons.append(f"top-1 differs by {abs(difference):.2f} points, {points:.2f} are allowed")
    for name in ("params", "macs"):
        whole = getattr(record.unpruned, name)
        if whole and abs(getattr(record.metrics, name) - getattr(again.metrics, name)) > SHARE * whole:
            reasons.append(f"{name} differ by more than {SHARE:.0%} of the unpruned network's")
    return Drift(exact, difference, points, source, differs, tuple(reasons))


def tolerance(record: Record, others: Iterable[Record]) -> tuple[float, str]:
    """(points of top-1, where they come from), as the module says."""
    share, n = record.metrics.top1 / 100, record.test_images
    share = min(max(share, 0.5 / n), 1 - 0.5 / n)  # no image right, or all: half an image is not seen
    split = 100 * 1.96 * math.sqrt(2 * share * (1 - share) / n)
    values = _seeds(record, others)
    if len(values) < LEAST_SEEDS:
        return split, f"two draws of {n:,} test images"
    seeds = t_quantile(LEVEL, len(values) - 1) * (mean_std(values)[1] or 0.0) * math.sqrt(2)
    return (seeds, f"the spread of {len(values)} seeds") if seeds > split else (split, f"two draws of {n:,} test images")


def environment(one: Record, two: Record) -> Iterable[tuple[str, str, str]]:
    """(what, in one, in two) of all that results depend on and that differs."""
    a, b = _made_with(one), _made_with(two)
    return [(name, str(a.get(name, "–")), str(b.get(name, "–"))) for name in (*a, *(n for n in b if n not in a)) if a.get(name) != b.get(name)]


def _made_with(r: Record) -> dict[str, Any]:
    return {**{f"device.{name}": value for name, value in sorted(r.device.items())}, "threads": r.threads, "precision": r.precision,
            "memory_format": r.memory_format, **{f"version of {name}": value for name, value in sorted(r.versions.items())}}


def _seeds(record: Record, others: Iterable[Record]) -> Sequence[float]:
    """Top-1 of all seeds of the record's protocol and row."""
    from benchbase.board.labels import row_key, table_key

    own = table_key(record), row_key(record), record.protocol
    found = {r.seed: r.metrics.top1 for r in others if r.protocol == record.protocol and (table_key(r), row_key(r), r.protocol) == own}
    return [found[seed] for seed in sorted(found)]


def _unequal(one: Record, two: Record) -> list[str]:
    """The digests that differ, in the order in which they arise."""
    a, b = one.digests, two.digests
    return [name for name in ("plain", "base", "pruned", "architecture", "final") if getattr(a, name) != getattr(b, name)]
