from __future__ import annotations

import pytest
from factory import record

from benchbase.board.row import STRUCTURED, Goal, Size, goal_of
from benchbase.board.stats import Spread
from benchbase.values.cost import Cost


@pytest.mark.parametrize(("low", "high", "missed"), [(0.48, 0.52, False), (0.4799, 0.5, True), (0.5, 0.5201, True), (0.5, 0.5, False)])
def test_a_goal_is_missed_beyond_two_points(low, high, missed):
    assert Goal("0.5", "macs", 0.5, Spread((low + high) / 2, low, high)).missed is missed


def test_a_goal_that_is_not_one_number_is_never_missed():
    assert not Goal("vgg16-a").missed and not Goal("0.5", "channels", 0.5).missed
    assert not Goal("0.9", "weights", 0.9, Spread(0.5, 0.5, 0.5), exact=False).missed


def test_a_ratio_is_of_what_a_method_removes():
    for unit, achieved in (("channels", {"channels": 0.5, "macs": 0.7}), ("blocks", {"channels": 0.0, "blocks": 0.5, "macs": 0.7})):
        rows = {seed: record(seed=seed, achieved=achieved) for seed in (0, 1)}
        assert goal_of({"ratio": 0.5}, "0.5", rows, STRUCTURED) == Goal("0.5", unit, 0.5, Spread(0.5, 0.5, 0.5))


def test_factors_are_derived():
    left = [Spread(n, n, n) for n in (50, 20, 10, 5)]
    dense = Cost(100, 100, 100, 100)
    assert (Size(*left, dense).compression, Size(*left, dense).speedup) == (2, 5)
    assert (Size(*left, dense, "weights").compression, Size(*left, dense, "weights").speedup) == (10, 20)
    none = Spread(0, 0, 0)
    assert Size(none, none, none, none, dense).speedup is None
