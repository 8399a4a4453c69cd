from __future__ import annotations

import itertools
import random

import pytest

from benchbase.board.stats import Interval, paired_t
from benchbase.board.verdict import ENOUGH, LITTLE, MATTER, SCRATCH, UNDECIDED, WORDS, Verdict, delta_of, judge, word_of

E = 1e-9


@pytest.mark.parametrize(("low", "high", "word"), [
    (0.5 + E, 0.9, MATTER),
    (0.5, 0.9, UNDECIDED),  # above zero, but whether little or much is open
    (0.5, 0.5, LITTLE),
    (E, 0.5, LITTLE),
    (E, 0.5 + E, UNDECIDED),
    (E, 0.4, LITTLE),  # the first that holds: it would be enough, too
    (0.0, 0.5 - E, ENOUGH),
    (0.0, 0.5, UNDECIDED),
    (-0.5 + E, 0.5 - E, ENOUGH),
    (-0.5, 0.4, UNDECIDED),
    (-0.5 + E, -E, ENOUGH),
    (-0.5, -E, SCRATCH),
    (-0.5, 0.0, UNDECIDED),
    (-3.0, -0.5, SCRATCH),
    (-3.0, -E, SCRATCH),
    (-3.0, 3.0, UNDECIDED),
    (0.0, 0.0, ENOUGH),
])
def test_every_boundary(low, high, word):
    assert word_of(low, high, 0.5) == word


def test_every_interval_has_one_word_and_all_words_occur():
    grid = [x / 10 for x in range(-12, 13)]
    found = {word_of(low, high, 0.5) for low, high in itertools.product(grid, grid) if low <= high}
    assert found == set(WORDS)


def test_no_word_claims_more_than_the_interval():
    for low, high in itertools.product([x / 10 for x in range(-12, 13)], repeat=2):
        word = word_of(low, high, 0.3)
        if low <= high and word in (MATTER, LITTLE):
            assert low > 0
        if low <= high and word == SCRATCH:
            assert high < 0
        if low <= high and word == ENOUGH:
            assert max(-low, high) < 0.3


@pytest.mark.parametrize(("name", "delta"), [("digits", 0.5), ("digits-iid", 0.5), ("cifar10", 0.3), ("cifar10-jpeg", 0.3), ("cifar100", 0.5),
                                             ("cifar100-jpeg", 0.5), ("imagenet", 0.3), ("my-imagenet", 0.5), ("flowers", 0.5), ("cifar", 0.5)])
def test_delta(name, delta):
    assert delta_of(name) == delta


def test_a_word_where_all_is_well():
    assert judge(Interval(0.8, 0.6, 1.0, 5), 0.5, True) == Verdict(MATTER)
    assert judge(Interval(0.8, 0.4, 1.2, 5), 0.3, True).word == MATTER and judge(Interval(0.8, 0.4, 1.2, 5), 0.5, True).word == UNDECIDED


@pytest.mark.parametrize(("change", "reason"), [
    ({"gap": None}, "not compared at equal compute"),
    ({"gap": Interval(0.8, 0.6, 1.0, 4)}, "4 of 5 seeds"),
    ({"gap": Interval(0.8, None, None, 1)}, "1 of 5 seeds"),
    ({"converged": None}, "base not known to have converged"),
    ({"converged": False}, "base not converged"),
    ({"failed": 1}, "1 failed seed"),
    ({"failed": 2}, "2 failed seeds"),
    ({"doubts": ("seeds have gaps",)}, "seeds have gaps"),
])
def test_each_reason_alone_withholds_the_word(change, reason):
    said = {"gap": Interval(0.8, 0.6, 1.0, 5), "delta": 0.5, "converged": True, "failed": 0, **change}
    assert judge(**said) == Verdict("", (reason,))


def test_reasons_add_up():
    assert len(judge(Interval(0.8, 0.6, 1.0, 3), 0.5, None, 1, ("x",)).reasons) == 4


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize(("truth", "wrong"), [(0.5, {MATTER, ENOUGH}), (0.0, {MATTER, LITTLE, SCRATCH}), (-0.5, {MATTER, LITTLE, ENOUGH})])
def test_a_wrong_word_is_rare(n, truth, wrong):
    """At the edge of a claim the interval lies beyond it in 2.5 % of all sweeps on either side."""
    rng = random.Random(f"{n} {truth}")
    repeats, words = 3000, []
    for _ in range(repeats):
        scratch = [rng.gauss(90, 1) for _ in range(n)]
        gap = paired_t([s + rng.gauss(truth, 0.2) for s in scratch], scratch)
        words.append(word_of(gap.low, gap.high, 0.5))
    assert sum(w == MATTER for w in words) / repeats < 0.035
    assert sum(w in wrong for w in words) / repeats < (0.035 if truth == -0.5 else 0.065)
