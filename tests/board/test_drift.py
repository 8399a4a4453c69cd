from __future__ import annotations

import math

import pytest
from many import renamed, sound
from scipy import stats
from test_tier import again

from benchbase.board.drift import drift, environment, tolerance

RECORD = sound(right=850)


def test_on_the_same_machine_every_bit_must_be_the_same():
    twin = renamed(RECORD, started="2025-02-02T00:00:00Z", seconds=99.0)
    assert drift(RECORD, twin).passed and drift(RECORD, twin).exact
    other = again(RECORD, 849, device=RECORD.device)
    got = drift(RECORD, other)
    assert got.exact and not got.passed and "final" in got.reasons[0] and got.difference == pytest.approx(-100 / 898)


def test_elsewhere_a_tolerance_from_the_test_split():
    p, n = 850 / 898, 898
    points = 100 * stats.norm.ppf(0.975) * math.sqrt(2 * p * (1 - p) / n)
    assert tolerance(RECORD, [])[0] == pytest.approx(points, rel=1e-3)
    images = int(points / 100 * n)
    assert drift(RECORD, again(RECORD, 850 - images)).passed and not drift(RECORD, again(RECORD, 850 - images - 1)).passed
    assert not drift(RECORD, again(RECORD, min(898, 850 + images + 1))).passed, "better is no repeat either"


def test_or_from_the_spread_of_seeds_where_that_is_larger():
    rights = [800, 850, 880]
    seeds = [sound(seed=s, right=right) for s, right in enumerate(rights)]
    points, source = tolerance(seeds[1], seeds)
    expected = stats.t.ppf(0.975, 2) * stats.tstd([100 * r / 898 for r in rights]) * math.sqrt(2)
    assert points == pytest.approx(expected) and source == "the spread of 3 seeds"
    assert tolerance(seeds[1], seeds[:2])[1] == "two draws of 898 test images"
    others = [sound(seed=s, right=r, protocol="scratch-e") for s, r in enumerate(rights)]
    assert tolerance(seeds[1], others)[1].startswith("two draws"), "other protocols say nothing"


def test_an_accuracy_of_one_or_none_still_has_a_tolerance():
    all_right, none = (tolerance(sound(right=right), [])[0] for right in (898, 0))
    assert 0 < all_right < 0.5 and none == pytest.approx(all_right)


def test_another_size_is_no_repeat():
    small = again(RECORD, 850, metrics__macs=10_000, metrics__macs_nonzero=10_000)
    assert "macs differ" in drift(RECORD, small).reasons[0]


def test_another_cell_is_no_repeat():
    assert "another cell" in drift(RECORD, sound(seed=1, right=850)).reasons[0]


def test_environment_names_what_differs():
    other = again(RECORD, threads=4, versions={"benchbase": "0.1", "torch": "2.12", "numpy": "2"})
    assert list(environment(RECORD, other)) == [("device.name", "cpu", "another"), ("threads", "1", "4"), ("version of torch", "2.11", "2.12"),
                                                ("version of numpy", "–", "2")]
    assert not drift(RECORD, other).exact
