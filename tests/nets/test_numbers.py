"""Numbers of channels in a module's own code: they follow, in the cut network, in what is foreseen, and in what is rebuilt."""
from __future__ import annotations

import pytest
import torch
from test_graph import X, Net, conv, disagreement, half, names, reasons
from test_prune import Largest
from torch import nn

from benchbase.nets import numbers
from benchbase.nets.foresee import foresee
from benchbase.nets.graph import read
from benchbase.nets.net import private_copy
from benchbase.nets.prune import prune
from benchbase.nets.rebuild import build
from benchbase.nets.surgery import slice_
from benchbase.values.architecture import architecture_of
from benchbase.values.budget import Budget


class Part(nn.Module):
    """Splits 12 channels by numbers that it keeps, and gives 12 back."""

    def __init__(self, cut, **kept):
        super().__init__()
        self.cut = cut
        for name, value in kept.items():
            setattr(self, name, value)

    def forward(self, x):
        return torch.cat([p.flip(3) if i else p for i, p in enumerate(self.cut(self, x))], 1)


def net(cut, **kept):
    return Net(lambda m, x: m.b(m.part(m.a(x))), a=conv(3, 12), part=Part(cut, **kept), b=conv(12, 8))


CASES = {
    "one for all parts": (lambda m, x: x.split(m.width, 1), {"width": 4}, {"a": (4, True)}),
    "the last part shorter": (lambda m, x: x.split(m.width, 1), {"width": 5}, {"a": (5, True), "a#2": (2, True)}),
    "half of it": (lambda m, x: x.split(m.channels // 2, 1), {"channels": 12}, {"a": (6, True)}),
    "each its own": (lambda m, x: x.split([m.first, m.rest], 1), {"first": 4, "rest": 8}, {"a": (4, True), "a#2": (8, True)}),
    "one and the whole": (lambda m, x: x.split([m.first, m.dim - m.first], 1), {"first": 4, "dim": 12}, {"a": (4, True), "a#2": (8, True)}),
    "one twice": (lambda m, x: x.split([m.key, m.key, m.value], 1), {"key": 3, "value": 6}, {"a": (3, True), "a#2": (6, True)}),
    "a list": (lambda m, x: x.split(m.sizes, 1), {"sizes": (3, 9)}, {"a": (3, True), "a#2": (9, True)}),
    "a place": (lambda m, x: (x[:, :m.first], x[:, m.first:]), {"first": 4}, {"a": (4, True), "a#2": (8, True)}),
    "one part not": (lambda m, x: x.split([5, m.rest], 1), {"rest": 7}, {"a": (7, True)}),
    "none": (lambda m, x: x.split([5, 7], 1), {"other": 6}, {}),
    "none for all parts": (lambda m, x: x.split(6, 1), {}, {})}


@pytest.mark.parametrize("case", CASES)
def test_they_follow(case):
    cut, kept, expected = CASES[case]
    model = net(cut, **kept)
    assert names(model) == {**expected, "b": (8, True)} and disagreement(model) < 1e-5
    assert expected or "sizes written in code" in reasons(model, "a")[0]


def test_what_is_cut_is_foreseen_and_rebuilt():
    x, budget = torch.randn(2, 3, 8, 8), Budget(ratio=0.5)
    for cut, kept, _ in CASES.values():
        model = net(cut, **kept)
        pruned = prune(model, Largest(), budget, example=x)
        architecture = architecture_of(pruned.architecture.to_json())
        assert architecture == pruned.architecture and foresee(model, Largest(), budget, read(model, x)).shapes == architecture.shapes
        again = build(architecture, model=lambda cut=cut, kept=kept: net(cut, **kept))
        again.load_state_dict(pruned.model.state_dict())
        assert torch.equal(again.eval()(x), pruned.model.eval()(x))
        for name in kept:
            assert getattr(again.part, name) == getattr(pruned.model.part, name) and type(getattr(again.part, name)) is type(kept[name])


def test_channels_lost_in_steps():
    model = net(CASES["each its own"][0], **CASES["each its own"][1])
    for _ in range(2):
        groups = read(model, X).groups
        slice_(model, groups, {g.name: half(g) for g in groups[:1]})
    assert (model.part.first, model.part.rest, model.a.out_channels) == (1, 8, 9)
    model(X)


def test_a_number_that_means_something_else_is_left_alone():
    def cut(m, x):
        return x.split(4, 1)  # a four of its own, not the module's
    model = net(cut, positions=4)
    assert "a" not in names(model) and "a size written in code" in reasons(model, "a")[0]
    assert disagreement(model) < 1e-5


def test_groups_as_wide_as_each_other_are_told_apart():
    model = Net(lambda m, x: m.b(m.a(x)) + m.d(m.c(x).reshape(2, m.a(x).shape[1], 8, 8)), a=conv(3, 12), b=conv(12, 8), c=conv(3, 12), d=conv(12, 8))
    # c must be as wide as a, and nothing in the graph says so
    trace = read(model, X)
    for group in trace.groups:
        small = private_copy(model)
        slice_(small, [group], {group.name: half(group)})
        small(X)
    assert not {"a", "c"} <= {g.name for g in trace.groups}


def test_names_of_numbers():
    model = net(CASES["a list"][0], sizes=[3, 9], width=7)
    assert numbers.number(model, "part.sizes.1") == 9 and numbers.number(model, "part.width") == 7
    numbers.set_(model, "part.sizes.1", 5)
    numbers.set_(model, "part.width", 2)
    assert model.part.sizes == [3, 5] and model.part.width == 2
    for name in ("part.cut", "part.gone", "nowhere.width"):
        with pytest.raises(AttributeError):
            numbers.number(model, name)
