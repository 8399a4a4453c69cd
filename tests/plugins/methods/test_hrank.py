"""hrank against numpy's ranks of maps caught by hand."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.prune import prune
from benchbase_plugins.methods.hrank import HRank


class Plain(nn.Module):
    """A norm, a layer without one, a linear layer; maps of 8 x 6."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.bn, self.two, self.three, self.head = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Conv2d(6, 5, 3), nn.Linear(5 * 24, 7), nn.Linear(7, 3)
        nn.init.normal_(self.bn.bias, -0.5)

    def maps(self, x):
        one = functional.relu(self.bn(self.one(x)))
        two = functional.relu(self.two(one))
        three = functional.relu(self.three(two.flatten(1)))
        return {"one": one, "two": two, "three": three[..., None, None]}

    def forward(self, x):
        return self.head(self.maps(x)["three"].flatten(1))


@pytest.fixture
def images():
    return torch.randn(10, 1, 8, 6, generator=torch.Generator().manual_seed(0))


def ranks(maps):
    maps = maps.detach().numpy()
    return np.array([[np.linalg.matrix_rank(m) for m in image] for image in maps], dtype=float)


def test_scores_are_mean_ranks_behind_the_activation(net_of, images):
    model = Plain().eval()
    net = net_of(model, images[:2])
    scores = HRank().scores(net, [images[:4], images[4:]])
    assert set(scores) == {"one", "two", "three"}
    for name, maps in model.maps(images).items():
        expected = ranks(maps)
        assert np.array_equal(scores[name].numpy(), expected.mean(0)), name
        assert len(set(expected.mean(0))) > 1, "all ranks are equal: nothing is tested"
    assert not any(m._forward_hooks for m in net.model.modules())


def test_a_map_of_one_row_pattern_goes_first():
    """Filters that see rows only give maps of rank one."""
    model = nn.Sequential(nn.Conv2d(1, 4, (1, 8), padding=0), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Flatten()).eval()
    small = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1), nn.Flatten()).eval()
    with torch.no_grad():
        small[0].weight.zero_()
        small[0].weight[0, 0, 1, 1] = small[0].weight[2, 0, 1, 1] = 1
        small[1].bias.copy_(torch.tensor([0.0, 1.0, 0.0]))  # the second map is constant: rank one, and the largest of all
    x = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert prune(small, HRank(), {"widths": {"0": 2}}, [(x, torch.zeros(6))]).selection.kept["0"] == (0, 2)
    assert prune(model, HRank(), 0.5, [(x, torch.zeros(6))]).report["equivalence"] < 1e-5


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_through_prune(prune_digits, noise, name):
    pruned = prune_digits(name, HRank(batches=2), 0.5, noise)
    assert pruned.report["equivalence"] < 1e-5 and len(pruned.selection.kept) == 6
    assert prune_digits(name, HRank(), 0.5, noise[:2]).selection == pruned.selection


def test_bare_parameters_settings_and_data(prune_digits):
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel, self.head = nn.Parameter(torch.randn(4, 1, 3, 3)), nn.Conv2d(4, 2, 1)

        def forward(self, x):
            return self.head(functional.relu(functional.conv2d(x, self.kernel)))

    with pytest.raises(BenchError, match="bare parameter"):
        prune(Bare(), HRank(), 0.5, [(torch.zeros(2, 1, 5, 5), torch.zeros(2))])
    with pytest.raises(BenchError, match="batches=0"):
        HRank(batches=0)
    with pytest.raises(BenchError, match="none"):
        prune_digits("vgg-digits", HRank(), 0.5, [])
