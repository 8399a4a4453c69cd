"""Patterns by hand, on a network of three layers in two stages."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.values.pattern import Layer, at_random, by_layer, by_stage, in_order, spread, stages

NET = [Layer("a", 10, 64), Layer("b", 30, 64), Layer("c", 20, 16)]
TWO = [{"a": 5, "b": 15, "c": 2}, {"a": 10, "c": 6}]  # the second keeps b whole


def test_stages_are_maps_of_one_size_largest_first():
    assert [[layer.name for layer in stage] for stage in stages([NET[2], NET[0], NET[1]])] == [["a", "b"], ["c"]]


def test_averages_by_layer_and_by_stage():
    assert by_layer(NET, TWO) == {"a": 0.75, "b": 0.75, "c": pytest.approx(0.2)}
    assert by_stage(NET, TWO) == [pytest.approx((5 + 15 + 10 + 30) / 80), pytest.approx(8 / 40)]


def test_a_stage_hands_its_part_to_every_layer_of_another_network():
    other = [Layer("x", 16, 1024), Layer("y", 64, 256), Layer("z", 3, 256)]
    assert spread([0.5, 0.1], other) == {"x": 8, "y": 6, "z": 1}  # never none
    with pytest.raises(BenchError, match="2 stages, this network has 1"):
        spread([0.5, 0.1], other[:1])


def test_layers_by_their_own_part():
    assert list(in_order(NET, {"c": 0.2, "b": 1.0, "a": 0.04}).items()) == [("a", 1), ("b", 30), ("c", 4)]
    with pytest.raises(BenchError, match="nothing of layer c"):
        in_order(NET, {"a": 1.0, "b": 1.0})


@given(st.floats(0.05, 1), st.integers(0, 1000))
def test_random_designs_have_the_share(share, seed):
    made = at_random(NET, share, seed)
    assert made == at_random(NET, share, seed) and all(1 <= made[layer.name] <= layer.width for layer in NET)
    assert abs(sum(made.values()) - share * 60) <= 3  # a layer is rounded by half a channel, or up to the one that stays


def test_random_designs_differ():
    assert len({tuple(at_random(NET, 0.5, seed).items()) for seed in range(20)}) > 10


@pytest.mark.parametrize(("networks", "named"), [([], "no pruned network"), ([{"d": 1}], "d, which has 0"), ([{"a": 11}], "keeps 11 of a"),
                                                 ([{"a": 0}], "0 of a")])
def test_what_is_no_pattern(networks, named):
    with pytest.raises(BenchError, match=named):
        by_stage(NET, networks)
