"""Weights or architecture: the word that an interval earns, and the reasons why it may earn none."""
from __future__ import annotations

from dataclasses import dataclass

from benchbase.board.stats import Interval

MATTER = "weights matter"
LITTLE = "weights help a little"
ENOUGH = "architecture is enough"
SCRATCH = "scratch is better"
UNDECIDED = "undecided"
WORDS = (MATTER, LITTLE, ENOUGH, SCRATCH, UNDECIDED)

LEAST_SEEDS = 5
# Points of top-1 that count as a difference, fixed before any run. Data sets whose names start so take it too; the longest match wins.
DELTAS = {"digits": 0.5, "cifar10": 0.3, "cifar100": 0.5, "imagenet": 0.3}
OTHERS = 0.5


@dataclass(frozen=True)
class Verdict:
    """word: one of WORDS, "" where none is due.  reasons: why not; empty with a word."""

    word: str = ""
    reasons: tuple[str, ...] = ()


def delta_of(dataset: str) -> float:
    """The difference in points of top-1 that counts on a data set.

    >>> delta_of("cifar10-jpeg"), delta_of("cifar100"), delta_of("mine")
    (0.3, 0.5, 0.5)
    """
    return max(((len(name), delta) for name, delta in DELTAS.items() if dataset.startswith(name)), default=(0, OTHERS))[1]


def word_of(low: float, high: float, delta: float) -> str:
    """What a 95 % interval [low, high] of inherited minus scratch accuracy says, in points. The first that holds:

    low > delta: weights matter.  0 < low, high <= delta: weights help a little.  -delta < low, high < delta: architecture is enough.
    high < 0, low <= -delta: scratch is better.  Otherwise undecided: more seeds would tell.
    """
    if low > delta:
        return MATTER
    if 0 < low and high <= delta:
        return LITTLE
    if -delta < low and high < delta:
        return ENOUGH
    if high < 0 and low <= -delta:
        return SCRATCH
    return UNDECIDED


def judge(gap: Interval | None, delta: float, converged: bool | None, failed: int = 0, doubts: tuple[str, ...] = ()) -> Verdict:
    """The verdict on a gap at equal compute.

    gap: None where it was not measured.  converged: whether training the unpruned network longer gains no more than delta; None where
    nobody tried.  failed: seeds of either side that came to nothing.  doubts: further reasons to withhold the word.
    """
    if gap is None:
        return Verdict("", ("not compared at equal compute",))
    reasons = []
    if gap.n < LEAST_SEEDS:
        reasons.append(f"{gap.n} of {LEAST_SEEDS} seeds")
    if failed:
        reasons.append(f"{failed} failed seed{'s' if failed > 1 else ''}")
    if converged is not True:
        reasons.append("base not converged" if converged is False else "base not known to have converged")
    reasons += doubts
    if reasons or gap.low is None or gap.high is None:
        return Verdict("", tuple(reasons))
    return Verdict(word_of(gap.low, gap.high, delta))
