from __future__ import annotations

import math
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchbase.board.stats import Spread, mean_std, paired_t, spread, t_quantile

points = st.floats(0, 100)


def test_mean_and_sample_deviation_by_hand():
    assert mean_std([2, 4, 4, 4, 5, 5, 7, 9]) == (5, pytest.approx(math.sqrt(32 / 7)))
    assert mean_std([97.5]) == (97.5, None)
    with pytest.raises(ValueError):
        mean_std([])


@given(st.lists(points, min_size=2, max_size=20))
def test_deviation_divides_by_one_less_than_n(values):
    mean, std = mean_std(values)
    assert mean == pytest.approx(np.mean(values), abs=1e-9) and std == pytest.approx(np.std(values, ddof=1), abs=1e-9)


def test_quantiles_in_closed_form():
    p = 0.975
    assert t_quantile(0.95, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-9)
    alpha = 4 * p * (1 - p)
    assert t_quantile(0.95, 2) == pytest.approx(2 * (p - 0.5) * math.sqrt(2 / alpha), rel=1e-9)
    q = math.cos(math.acos(math.sqrt(alpha)) / 3) / math.sqrt(alpha)
    assert t_quantile(0.95, 4) == pytest.approx(2 * math.sqrt(q - 1), rel=1e-9)
    assert t_quantile(0.95, 10**6) == pytest.approx(1.959966, abs=1e-5)


def test_the_interval_by_hand():
    got = paired_t([97.0, 96.0, 98.5], [96.0, 96.5, 96.0])
    differences = [1.0, -0.5, 2.5]
    half = 4.302652729911275 * math.sqrt(sum((d - 1) ** 2 for d in differences) / 2 / 3)
    assert (got.mean, got.n) == (1.0, 3) and (got.low, got.high) == pytest.approx((1 - half, 1 + half))


@given(st.lists(st.tuples(points, points), min_size=2, max_size=12), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_is_scipys(pairs, level):
    a, b = zip(*pairs)
    if len({x - y for x, y in pairs}) == 1:
        return  # scipy has nothing to say
    theirs = stats.ttest_rel(a, b).confidence_interval(level)
    mine = paired_t(a, b, level)
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-7)


def test_one_pair_has_no_interval_and_equal_differences_no_width():
    assert paired_t([3.0], [1.0]) == paired_t([4.0], [2.0]) and paired_t([3.0], [1.0]).low is None and paired_t([3.0], [1.0]).mean == 2
    got = paired_t([3.0, 4.0], [1.0, 2.0])
    assert (got.low, got.mean, got.high) == (2, 2, 2)
    for a, b in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError):
            paired_t(a, b)


def test_pairing_takes_out_what_the_seeds_share():
    base = [10.0, 50.0, 90.0]
    got = paired_t([x + 1 + e for x, e in zip(base, (0.1, 0, -0.1))], base)
    assert 0.7 < got.low < got.high < 1.3


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_covers_what_it_says(n):
    rng = random.Random(n)
    hits, repeats = 0, 4000
    for _ in range(repeats):
        shared = [rng.gauss(0, 5) for _ in range(n)]
        got = paired_t([s + rng.gauss(0.3, 1) for s in shared], [s + rng.gauss(0, 0.5) for s in shared])
        hits += got.low <= 0.3 <= got.high
    assert 0.93 < hits / repeats < 0.97


def test_spread():
    assert spread([3, 1, 2]) == Spread(2, 1, 3) and spread([]) is None


def test_the_slow_half_of_scipy_stays_out():
    code = "import sys; from benchbase.board.stats import paired_t; paired_t([1, 2], [0, 3]); print({'scipy.stats', 'torch'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
