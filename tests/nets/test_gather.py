"""A gather through a whole prune: its indices belong to the architecture, and build puts them back."""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.foresee import foresee
from benchbase.nets.gather import ChannelSelect
from benchbase.nets.graph import read
from benchbase.nets.method import Method
from benchbase.nets.prune import prune
from benchbase.nets.rebuild import build
from benchbase.values.budget import Budget
from benchbase.values.selection import Selection


class Block(nn.Module):
    """A pre-activation block that picks its channels of the stream."""

    def __init__(self):
        super().__init__()
        self.stem, self.pick, self.norm = nn.Conv2d(3, 8, 3, padding=1), ChannelSelect(8), nn.BatchNorm2d(8)
        self.conv, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x + self.conv(functional.relu(self.norm(self.pick(x))))).mean((2, 3)))


@dataclass(frozen=True)
class Odd(Method):
    name: ClassVar[str] = "odd"
    scope: ClassVar[str] = "all"

    def select(self, net, data, budget):
        return Selection({"pick": range(1, 8, 2)})


def test_the_indices_are_kept_and_rebuilt():
    model, x = Block(), torch.randn(2, 3, 8, 8)
    pruned = prune(model, Odd(), 0.5, example=x)
    assert pruned.architecture.selects == {"pick": (1, 3, 5, 7)} and pruned.report["equivalence"] < 1e-5
    again = build(pruned.architecture, model=Block)
    assert again.pick.index.tolist() == [1, 3, 5, 7]
    again.load_state_dict(pruned.model.state_dict())
    assert torch.equal(again.eval()(x), pruned.model(x))
    assert pruned.architecture.digest != prune(model, Odd(), 0.5, example=x).architecture.__class__(
        "Block", 5, (3, 8, 8), shapes=pruned.architecture.shapes, selects={"pick": (0, 3, 5, 7)}).digest


@dataclass(frozen=True)
class Largest(Method):
    """Its default scope is inner."""

    name: ClassVar[str] = "largest"

    def select(self, net, data, budget):
        return Selection({g.name: sorted(net.filters(g).abs().sum(1).topk(budget.keep(g)).indices.tolist()) for g in net.groups})


def test_without_inner_groups_a_method_works_on_all_unless_told_otherwise():
    model, x = Block(), torch.randn(2, 3, 8, 8)
    assert [(g.name, g.inner) for g in read(model, x).groups] == [("pick", False)]
    best = model.conv.weight.detach().abs().sum((0, 2, 3)).topk(4).indices.sort().values.tolist()
    pruned = prune(model, Largest(), 0.5, example=x)
    assert pruned.architecture.selects == {"pick": tuple(best)} and pruned.report["equivalence"] < 1e-5
    assert foresee(model, Largest(), Budget(ratio=0.5), read(model, x)).widths == {"pick": 4}
    for call in (lambda b: prune(model, Largest(), b, example=x), lambda b: foresee(model, Largest(), b, read(model, x))):
        with pytest.raises(BenchError, match="scope 'inner'") as error:
            call(Budget(ratio=0.5, scope="inner"))
        assert error.value.kind == "not_applicable"
