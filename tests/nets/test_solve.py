"""Budgets to widths, against hand-made groups and brute force over every ratio."""
from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets import solve
from benchbase.values.budget import Budget, rounded


def _group(name: str, width: int, uses: list[tuple[str, int, int]], inner: bool = True) -> SimpleNamespace:
    made = tuple(SimpleNamespace(tensor=t, dim=d, at=np.arange(width * k).reshape(width, k)) for t, d, k in uses)
    return SimpleNamespace(name=name, width=width, uses=made, inner=inner, producers=(name,), numbers=())


@pytest.fixture
def net() -> tuple[nn.Module, SimpleNamespace]:
    """conv 3->10 -> conv 10->16 -> flatten 2x2 -> linear 64->5; the second group is not inner."""
    model = nn.Sequential(nn.Conv2d(3, 10, 3, bias=False), nn.Conv2d(10, 16, 3), nn.Flatten(), nn.Linear(64, 5))
    groups = (_group("0", 10, [("0.weight", 0, 1), ("1.weight", 1, 1)]),
              _group("1", 16, [("1.weight", 0, 1), ("1.bias", 0, 1), ("3.weight", 1, 4)], inner=False))
    return model, SimpleNamespace(groups=groups, positions=(("0.weight", 16), ("1.weight", 4), ("3.weight", 1)))


def _closed(a: int, b: int) -> tuple[int, int]:
    return 16 * 27 * a + 4 * 9 * a * b + 20 * b, 27 * a + 9 * a * b + b + 20 * b + 5


def test_size_is_the_closed_form(net):
    model, trace = net
    assert solve.size(trace, model, trace.groups, {}) == _closed(10, 16)
    assert solve.size(trace, model, trace.groups, {"0": 3, "1": 7}) == _closed(3, 7)
    assert solve.shapes(model, trace.groups, {"1": 7})["3.weight"] == (5, 28)


def test_decimal_counts_and_scope(net):
    model, trace = net
    assert solve.resolve(Budget(ratio=0.9), trace, model, "all").widths == {"0": 1, "1": 1}
    assert solve.resolve(Budget(ratio=0.3), trace, model, "inner").widths == {"0": 7}
    assert solve.resolve(Budget(ratio=0.3, scope="all"), trace, model, "inner").widths == {"0": 7, "1": 11}


def test_first_glob_wins_and_the_rest_stays_whole(net):
    model, trace = net
    assert solve.resolve(Budget(ratios={"0": 0.5, "*": 0.25}), trace, model, "all").widths == {"0": 5, "1": 12}
    assert solve.resolve(Budget(ratios={"1": 0.5}), trace, model, "all").widths == {"0": 10, "1": 8}
    assert solve.resolve(Budget(widths={"1": 3}), trace, model, "all").widths == {"0": 10, "1": 3}


@pytest.mark.parametrize(("budget", "scope", "words"), [
    (Budget(ratios={"x*": 0.5}), "all", "x*"), (Budget(widths={"9": 1}), "all", "'9'"), (Budget(widths={"1": 4}), "inner", "scope"),
    (Budget(widths={"0": 11}), "all", "11 channels of 0, which has 10"), (Budget(ratio=0.95), "all", "nothing of 0 (10 channels)"),
    (Budget(ratio=0.5, scope="inner"), "all", "")])
def test_what_does_not_fit_is_named(net, budget, scope, words):
    model, trace = net
    if not words:
        assert list(solve.resolve(budget, trace, model, scope).widths) == ["0"]
        return
    with pytest.raises(BenchError) as error:
        solve.resolve(budget, trace, model, scope)
    assert words in error.value.what and error.value.todo


def test_keep_at_least_rescues_and_says_so(net):
    model, trace = net
    budget = Budget(ratio=0.95)
    assert solve.resolve(budget, trace, model, "all", keep_at_least=1).widths == {"0": 1, "1": 1}
    assert solve.rescued(budget, trace.groups) == ["0", "1"]


def test_no_group_in_scope_is_not_applicable(net):
    model, trace = net
    with pytest.raises(BenchError) as error:
        solve.resolve(Budget(ratio=0.5), SimpleNamespace(groups=trace.groups[1:], positions=trace.positions), model, "inner")
    assert error.value.kind == "not_applicable"


@pytest.mark.parametrize("key", ["macs", "params"])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.63, 0.9])
def test_shares_are_the_best_any_ratio_gives(net, key, share):
    """Brute force over a fine grid of ratios finds nothing nearer than the breakpoints do."""
    model, trace = net
    index = ("macs", "params").index(key)
    dense = _closed(10, 16)[index]
    grid = {(math.floor(10 * (1 - r)), math.floor(16 * (1 - r))) for r in (Fraction(i, 4000) for i in range(3601))}
    best = min(abs(_closed(a, b)[index] - dense * (1 - Fraction(str(share)))) for a, b in grid)
    if best > 0.02 * dense:
        with pytest.raises(BenchError) as error:
            solve.resolve(Budget(**{key: share}), trace, model, "all")
        assert error.value.kind == "not_applicable" and "the nearest is" in error.value.what
        return
    widths = solve.resolve(Budget(**{key: share}), trace, model, "all").widths
    assert abs(_closed(widths["0"], widths["1"])[index] - dense * (1 - Fraction(str(share)))) == best


@pytest.mark.parametrize("share", [0.2, 0.31, 0.35, 0.42, 0.5, 0.63])
def test_shares_in_multiples(net, share):
    """Brute force over every pair of multiples that one ratio, its widths rounded up or down, gives: widths 2, 4 ... 10 and 2, 4 ... 16."""
    model, trace = net
    dense, left = _closed(10, 16)[0], 1 - Fraction(str(share))
    ladder = list(dict.fromkeys((rounded(math.floor(10 * (1 - r)), 10, 2), rounded(math.floor(16 * (1 - r)), 16, 2))
                                for r in (Fraction(i, 4000) for i in range(4000))))
    one_by_one = {*ladder, *((low[0], high[1]) for high, low in pairwise(ladder))}
    best = min(abs(_closed(a, b)[0] - dense * left) for a, b in one_by_one)
    if best > 0.02 * dense:
        with pytest.raises(BenchError) as error:
            solve.resolve(Budget(macs=share, round_to=2), trace, model, "all")
        assert any(f"macs={1 - _closed(a, b)[0] / dense:.4f}" in error.value.what for a, b in one_by_one if abs(_closed(a, b)[0] - dense * left) == best)
        return
    widths = solve.resolve(Budget(macs=share, round_to=2), trace, model, "all").widths
    assert widths["0"] % 2 == widths["1"] % 2 == 0 and abs(_closed(widths["0"], widths["1"])[0] - dense * left) == best


def test_a_share_of_a_residual_network_in_multiples():
    """ResNet-20's inner layers are 16, 32 and 64 wide: in multiples of 8 all of a width at once would miss half of the multiply-adds."""
    from benchbase.nets.graph import read
    from benchbase_plugins.models.resnet import resnet20

    model = resnet20(10)
    trace = read(model, torch.randn(2, 3, 32, 32))
    widths = solve.resolve(Budget(macs=0.5, round_to=8), trace, model, "inner").widths
    assert {n % 8 for n in widths.values()} == {0} and len(widths) == 9
    inner = [g for g in trace.groups if g.inner]
    assert abs(solve.size(trace, model, inner, widths)[0] / solve.size(trace, model, inner, {})[0] - 0.5) < 0.01
    together = {name: rounded(g.width // 2, g.width, 8) for name, g in zip(widths, inner)}
    assert solve.uniform(Budget(ratio=0.5, round_to=8), trace, model, inner).widths == together


def test_out_of_reach_names_the_nearest(net):
    """Inner scope: one channel of ten must stay, so at most 90 % of the rest can go; the last linear layer stays whole."""
    model, trace = net
    nearest = 1 - _closed(1, 16)[0] / _closed(10, 16)[0]
    with pytest.raises(BenchError) as error:
        solve.resolve(Budget(macs=0.97), trace, model, "inner")
    assert error.value.kind == "not_applicable" and f"{nearest:.4f}" in error.value.what


def test_uniform_matches_the_multiply_adds(net):
    model, trace = net
    asked = Budget(widths={"0": 4, "1": 14}, scope="all")
    target = _closed(4, 14)[0]
    widths = solve.uniform(asked, trace, model, trace.groups).widths
    grid = {(math.floor(10 * (1 - r)), math.floor(16 * (1 - r))) for r in (Fraction(i, 4000) for i in range(3601))}
    assert (widths["0"], widths["1"]) in grid
    assert abs(_closed(widths["0"], widths["1"])[0] - target) == min(abs(_closed(a, b)[0] - target) for a, b in grid)
    again = solve.uniform(Budget(widths=widths, scope="all"), trace, model, trace.groups)
    assert again.widths == widths
