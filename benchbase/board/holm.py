"""Many comparisons at once: p-values adjusted so that a family of them errs anywhere with the probability of one.

Holm ("A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979): valid whatever the tests have in
common, never weaker than Bonferroni's.
"""
from __future__ import annotations

from collections.abc import Sequence


def holm(values: Sequence[float]) -> list[float]:
    """The adjusted p-values of a family, in its order. One at most 0.05 is significant where the family errs in 5 % of all cases.

    >>> [round(p, 9) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted = [1.0] * len(values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = largest
    return adjusted
