"""group-norm against every slice written out."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.nets.prune import prune
from benchbase_plugins.methods.group_norm import GroupNorm


class Block(nn.Module):
    """Two layers into one sum, a norm behind it, a flatten into a linear layer, a depthwise layer in between."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two, self.bn = nn.Conv2d(2, 5, 3, padding=1), nn.Conv2d(2, 5, 1), nn.BatchNorm2d(5)
        self.depth, self.mid, self.head = nn.Conv2d(5, 5, 3, groups=5), nn.Conv2d(5, 4, 1), nn.Linear(4 * 9, 3)
        nn.init.normal_(self.bn.weight)

    def forward(self, x):
        x = functional.relu(self.depth(functional.relu(self.bn(self.one(x) + self.two(x)))))
        return self.head(functional.relu(self.mid(x)).flatten(1))


def slices_of(m, name):
    """Each channel's slices, by hand; biases left out."""
    w = {k: v.detach().double().numpy() for k, v in m.named_parameters()}
    if name == "one":
        return [[w["one.weight"][c], w["two.weight"][c], w["bn.weight"][c], w["depth.weight"][c], w["mid.weight"][:, c]] for c in range(5)]
    return [[w["mid.weight"][c], w["head.weight"][:, 9 * c:9 * c + 9]] for c in range(4)]


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("normalise", ["none", "mean"])
def test_score_is_the_sum_over_all_that_belongs_to_a_channel(net_of, p, normalise):
    model = Block().eval()
    net = net_of(model, torch.randn(2, 2, 5, 5))
    assert [g.name for g in net.groups] == ["one", "mid"]
    for group in net.groups:
        parts = np.array([[(np.abs(s) ** p).sum() for s in channel] for channel in slices_of(model, group.name)])
        if normalise == "mean":
            parts /= parts.mean(0)
        assert np.allclose(GroupNorm(p=p, normalise=normalise).scores(model, group).numpy(), parts.sum(1), rtol=1e-12)


def test_readers_count():
    """Equal filters: what is read with larger kernels stays."""
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[2].weight.copy_(torch.tensor([[0.1, 5, 0.2, 4]]).expand(2, 4).reshape(2, 4, 1, 1))
    assert prune(model, GroupNorm(), 0.5, example=torch.zeros(2, 1, 3, 3)).selection.kept["0"] == (1, 3)


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
@pytest.mark.parametrize("scope", ["inner", "all"])
def test_through_prune(prune_digits, name, scope):
    pruned = prune_digits(name, GroupNorm(), {"ratio": 0.5, "scope": scope})
    assert pruned.report["equivalence"] < 1e-5 and len(pruned.selection.kept) >= 6
