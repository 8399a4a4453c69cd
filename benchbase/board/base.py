"""Whether the unpruned networks of a table were trained to the end: without that, scratch networks win by their longer training alone."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchbase.board.stats import Interval, paired_t

if TYPE_CHECKING:
    from benchbase.values.record import Record

LONG, FRESH = "unpruned-long", "scratch"  # how the names of those protocols start
ENOUGH = 0.9  # of the longest scratch training: the few epochs charged for pruning don't decide it


@dataclass(frozen=True)
class Base:
    """gain: of longer training over the plain base, in points; the largest where rows differ, None where nobody tried.  epochs: of the longest
    such training.  longest: of the longest scratch training.  converged: None where that is unknown."""

    gain: Interval | None
    epochs: int
    longest: int
    converged: bool | None


def base_of(records: Iterable[Record], delta: float) -> Base:
    """The base of a table's records, all rows together; runs that rows share count once."""
    long: dict[int, dict[int, tuple[float, float]]] = {}
    longest = 0
    for r in sorted(records, key=lambda r: (r.protocol, r.seed, r.key)):
        if r.protocol.startswith(LONG):
            long.setdefault(r.metrics.epochs, {}).setdefault(r.seed, (r.metrics.top1, r.unpruned.top1))
        elif r.protocol.startswith(FRESH):
            longest = max(longest, r.metrics.epochs)
    if not long:
        return Base(None, 0, longest, None)
    gains = [paired_t([pairs[s][0] for s in sorted(pairs)], [pairs[s][1] for s in sorted(pairs)]) for _, pairs in sorted(long.items())]
    gain = max(gains, key=lambda g: g.mean)
    if round(gain.mean, 9) > delta:
        return Base(gain, max(long), longest, False)
    return Base(gain, max(long), longest, True if max(long) >= ENOUGH * longest else None)
