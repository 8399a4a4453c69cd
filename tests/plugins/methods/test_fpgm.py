"""fpgm against distances written out in numpy, and against the trap of squared weights."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchbase.nets.prune import prune
from benchbase.values.budget import Budget
from benchbase_plugins.methods._scores import distances
from benchbase_plugins.methods._soft import ZeroSmallest
from benchbase_plugins.methods.fpgm import Fpgm


def summed(weight):
    rows = weight.detach().double().numpy().reshape(len(weight), -1)
    return np.array([sum(np.sqrt(((a - b) ** 2).sum()) for b in rows) for a in rows])


def test_distances_are_euclidean():
    weight = torch.randn(9, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    assert np.allclose(distances(weight.flatten(1)).numpy(), summed(weight), rtol=1e-12)


def test_near_filters_far_from_zero_keep_their_distance():
    """Two filters 1e-4 apart and 1e4 from the origin: |a|^2 + |b|^2 - 2ab has no digit of it left in float32."""
    rows = torch.full((3, 8), 1e4, dtype=torch.float64)
    rows[1, 0] += 1e-4
    rows[2, 0] += 3
    assert distances(rows).tolist() == pytest.approx([3.0001, 2.9999 + 1e-4, 5.9999], rel=1e-9)


def test_the_filter_in_the_middle_goes_not_the_smallest_and_signs_count():
    model = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([-3.0, 0.9, 1.0, 3.2]).reshape(4, 1, 1, 1))
    # sums of distances: 14.1, 6.2+..: by hand 3.9+4+6.2 = 14.1, 3.9+.1+2.3 = 6.3, 4+.1+2.2 = 6.3, 6.2+2.3+2.2 = 10.7
    kept = prune(model, Fpgm(), 0.5, example=torch.zeros(2, 1, 3, 3)).selection.kept["0"]
    assert kept == (0, 3)
    # of squared weights (9, .81, 1, 10.24) the first would lie near the last, and -3 and 3 would be one filter
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([-3.0, 3.0, 2.9, 1.0]).reshape(4, 1, 1, 1))
    assert 0 in prune(model, Fpgm(), 0.75, example=torch.zeros(2, 1, 3, 3)).selection.kept["0"]


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_through_prune(digit_nets, prune_digits, name):
    model = digit_nets[name]
    pruned = prune_digits(name, Fpgm(), 0.4)
    for layer, kept in pruned.selection.kept.items():
        scores = summed(model.get_parameter(f"{layer}.weight"))
        assert sorted(np.argsort(scores)[len(scores) - len(kept):]) == list(kept)
    assert pruned.report["equivalence"] < 1e-5


def test_soft_is_the_papers_algorithm_with_the_budget_in_its_training(net_of):
    budget = Budget(ratio=0.5)
    assert Fpgm().training(budget) is None and Fpgm(soft=True).training(budget) == ZeroSmallest(budget, "distance")
    model = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.ReLU(), nn.Conv2d(4, 2, 1))
    net = net_of(model, torch.zeros(2, 1, 3, 3))
    with torch.no_grad():
        net.model[0].weight.copy_(torch.tensor([-3.0, 0.9, 1.0, 3.2]).reshape(4, 1, 1, 1))
    soft = ZeroSmallest(budget, "distance")
    soft.start(net)
    soft.after_epoch(net.model, 0)
    assert net.model[0].weight.flatten().tolist() == pytest.approx([-3, 0, 0, 3.2])
