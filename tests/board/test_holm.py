from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from benchbase.board.holm import holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_rejects_what_the_procedure_step_by_step_rejects(values):
    """Holm's own words: from the smallest p on, reject while p <= level / (those left); stop at the first that is larger."""
    level = 0.05
    rejected, left = set(), sorted(range(len(values)), key=lambda i: values[i])
    while left and values[left[0]] <= level / len(left):
        rejected.add(left.pop(0))
    assert {i for i, p in enumerate(holm(values)) if p <= level} == rejected or any(abs(p - level) < 1e-12 for p in holm(values))


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_adjusted_as_statsmodels_does(size):
    rng = random.Random(size)
    values = [rng.random() ** 3 for _ in range(size)]
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]), abs=1e-12)


def test_by_hand_and_of_nothing():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02]) and holm([]) == [] and holm([0.7]) == [0.7]


def test_a_family_errs_as_often_as_one_test_does():
    rng = random.Random(0)
    repeats = 4000
    wrong = sum(min(holm([rng.random() for _ in range(10)])) <= 0.05 for _ in range(repeats))
    alone = sum(min(rng.random() for _ in range(10)) <= 0.05 for _ in range(repeats))
    assert wrong / repeats < 0.06 < 0.35 < alone / repeats
