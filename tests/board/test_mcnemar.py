from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar as theirs

from benchbase.board.mcnemar import TITLE, mcnemar, of_counts

counts = st.integers(0, 300)


@given(counts, counts)
def test_exact_as_statsmodels_and_scipy_have_it(b, c):
    got = of_counts(b, c)
    assert got.exact == pytest.approx(theirs([[7, b], [c, 9]], exact=True).pvalue, abs=1e-9)
    if b + c:
        assert got.exact == pytest.approx(binomtest(b, b + c).pvalue, abs=1e-9)


@given(counts, counts)
def test_mid_p_takes_half_the_point_off_either_tail(b, c):
    got = of_counts(b, c)
    if b + c:
        from scipy.stats import binom
        few = min(b, c)
        assert got.mid == pytest.approx(min(1.0, 2 * binom.cdf(few, b + c, 0.5) - binom.pmf(few, b + c, 0.5)), abs=1e-9)
    assert got.mid <= got.exact


def test_counts_images_that_only_one_got_right():
    got = mcnemar([1, 1, 0, 0, 1, 1], [1, 0, 1, 0, 0, 0])
    assert (got.only_a, got.only_b) == (3, 1) and mcnemar([1, 0], [1, 0]).exact == 1 and TITLE == "these two networks"
    with pytest.raises(ValueError):
        mcnemar([1], [1, 0])


def test_of_equal_networks_few_are_told_apart():
    rng = random.Random(0)
    draws = [of_counts(k := sum(rng.random() < 0.5 for _ in range(40)), 40 - k) for _ in range(3000)]
    exact, mid = (sum(getattr(d, name) <= 0.05 for d in draws) / len(draws) for name in ("exact", "mid"))
    assert exact < 0.05 and exact <= mid < 0.06
