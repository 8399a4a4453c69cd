"""Whether these two networks, and no others, differ on this test sample: McNemar's test on the images that only one of them got right.

McNemar ("Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 12, 1947), exact and as
mid-p, which is less conservative and keeps its level in practice (Fagerland, Lydersen and Laake, BMC Medical Research Methodology 13, 2013).
It says nothing of other seeds: for a method, pair over seeds.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TITLE = "these two networks"


@dataclass(frozen=True)
class McNemar:
    """only_a, only_b: images that one network got right and the other did not.  exact, mid: two-sided p of the binomial test."""

    only_a: int
    only_b: int
    exact: float
    mid: float


def mcnemar(a: Sequence[int], b: Sequence[int]) -> McNemar:
    """The test on two networks' bits, image by image. ValueError where they are of different lengths."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} images are no pairs")
    both = [int(x) - int(y) for x, y in zip(a, b)]
    return of_counts(both.count(1), both.count(-1))


def of_counts(only_a: int, only_b: int) -> McNemar:
    """The test on how many images only the one, and only the other got right.

    >>> of_counts(0, 5)
    McNemar(only_a=0, only_b=5, exact=0.0625, mid=0.03125)
    """
    from scipy.special import bdtr  # the binomial's distribution function

    n, few = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return McNemar(0, 0, 1.0, 1.0)
    below = float(bdtr(few, n, 0.5))
    point = below - (float(bdtr(few - 1, n, 0.5)) if few else 0.0)
    exact = 1.0 if only_a == only_b else min(1.0, 2 * below)
    return McNemar(only_a, only_b, exact, min(1.0, 2 * below - point))
