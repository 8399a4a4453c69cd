"""Latency as a paired ratio: two things timed in turn, and what their times say. The clock is the caller's."""
from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchbase.errors import BenchError

MODES = ("eager", "compiled")
FEWEST = 3  # pairs, for quartiles to be anything


@dataclass(frozen=True)
class Quartiles:
    """The median of a list of numbers, and the quartiles below and above it: their distance is the interquartile range."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Latency:
    """A dense and a pruned network, timed in turn on one machine, in one process (gate 9).

    batch: images of one forward pass.  mode: "eager", or "compiled" by torch.compile.  dense, pruned: seconds of a pass, value i of one beside
    value i of the other in time.
    """

    batch: int
    mode: str
    dense: tuple[float, ...]
    pruned: tuple[float, ...]

    @property
    def ratio(self) -> Quartiles:
        """Pruned over dense, pair by pair: below 1 the pruned network is the faster one. What slows the machine for longer than a pair slows
        both, so that the ratio spreads less than the times do."""
        return quartiles([p / d for d, p in zip(self.dense, self.pruned)])

    def to_json(self) -> dict[str, Any]:
        """As plain data: times in milliseconds, medians with their quartiles."""
        spread = {"dense_ms": [1e3 * s for s in self.dense], "pruned_ms": [1e3 * s for s in self.pruned]}
        told = {name: vars(quartiles(values)) for name, values in spread.items()} | {"ratio": vars(self.ratio)}
        return {"batch": self.batch, "mode": self.mode, "pairs": len(self.dense),
                **{name: {k: float(f"{v:.6g}") for k, v in q.items()} for name, q in told.items()}}


def quartiles(values: Sequence[float]) -> Quartiles:
    """Quartiles by linear interpolation between order statistics (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).

    >>> quartiles([1, 2, 3, 4, 10])
    Quartiles(low=2.0, median=3.0, high=4.0)
    """
    return Quartiles(*(float(q) for q in statistics.quantiles(values, n=4, method="inclusive")))


def in_turn(dense: Callable[[], float], pruned: Callable[[], float], pairs: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The seconds that each call returns, `pairs` times. Which of a pair comes first alternates: neither always finds the caches, or the heat,
    that the other has left. Raises BenchError for too few pairs."""
    if pairs < FEWEST:
        raise BenchError(f"{pairs} pairs have no quartiles", f"time at least {FEWEST}; 30 is a good number")
    found: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            found[which].append((dense, pruned)[which]())
    return tuple(found[0]), tuple(found[1])
