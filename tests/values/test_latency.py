from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.values.latency import Latency, Quartiles, in_turn, quartiles

SECONDS = st.floats(1e-6, 1e3)


@given(st.lists(SECONDS, min_size=3, max_size=40))
def test_quartiles_are_numpy_s(values):
    found = quartiles(values)
    assert np.allclose((found.low, found.median, found.high), np.percentile(values, (25, 50, 75)), rtol=1e-12)


def test_the_ratio_is_of_pairs_not_of_medians():
    """The machine is three times as slow for half of the time: medians of times say 3 or 1/3 of nothing, the ratio is one half throughout."""
    one = Latency(64, "eager", (0.1, 0.3, 0.1, 0.3, 0.3), (0.05, 0.15, 0.05, 0.15, 0.15))
    assert one.ratio == Quartiles(0.5, 0.5, 0.5)
    skewed = Latency(1, "eager", (1.0, 2.0, 4.0), (2.0, 1.0, 3.0))  # pairs 2, 0.5, 0.75; medians 2 and 2
    assert skewed.ratio == Quartiles(0.625, 0.75, 1.375)


def test_as_plain_data():
    said = Latency(1, "compiled", (0.001, 0.002, 0.004), (0.0005, 0.001, 0.001)).to_json()
    assert json.loads(json.dumps(said)) == {
        "batch": 1, "mode": "compiled", "pairs": 3, "dense_ms": {"low": 1.5, "median": 2.0, "high": 3.0},
        "pruned_ms": {"low": 0.75, "median": 1.0, "high": 1.0}, "ratio": {"low": 0.375, "median": 0.5, "high": 0.5}}


def test_two_in_turn_and_each_first_in_half_of_the_pairs():
    order: list[str] = []

    def call(name: str):
        def seconds() -> float:
            order.append(name)
            return float(len(order))
        return seconds
    dense, pruned = in_turn(call("d"), call("p"), 4)
    assert "".join(order) == "dppddppd" and (dense, pruned) == ((1, 4, 5, 8), (2, 3, 6, 7))


def test_a_drift_of_the_clock_does_not_favour_one():
    """Each timing takes a little longer than the one before it: in a fixed order the second of a pair would look slower, by 1 % here."""
    now = [1.0]

    def slower() -> float:
        now[0] *= 1.01
        return now[0]
    assert quartiles([p / d for d, p in zip(*in_turn(slower, slower, 30))]).median == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("pairs", [0, 2, -1])
def test_too_few_pairs(pairs):
    with pytest.raises(BenchError, match="no quartiles"):
        in_turn(float, float, pairs)
