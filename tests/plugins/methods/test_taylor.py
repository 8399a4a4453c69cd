"""taylor against gates written into the network, and against weights and gradients multiplied one by one, in float64."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.gather import ChannelSelect
from benchbase_plugins.methods.taylor import Taylor


class Tower(nn.Module):
    """Convolutions, norms, a pool, a flatten, a sum of two branches; a gate (of ones) where each channel is read."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.bn1, self.two, self.bn2 = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.side, self.three, self.head = nn.Conv2d(6, 5, 1), nn.Conv2d(5, 4, 3), nn.Linear(4 * 4, 3)
        for bn in (self.bn1, self.bn2):
            nn.init.normal_(bn.weight, 1, 0.3)
            nn.init.normal_(bn.bias, 0, 0.3)
            nn.init.uniform_(bn.running_var, 0.5, 2)
        self.gates: dict[str, torch.Tensor] = {}

    def gated(self, name, x):
        return x * self.gates[name].view(1, -1, 1, 1) if self.gates else x

    def forward(self, x):
        a = self.gated("one", functional.max_pool2d(functional.relu(self.bn1(self.one(x))), 2))
        b = self.gated("two", functional.relu(self.bn2(self.two(a)) + self.side(a)))
        c = self.gated("three", functional.relu(self.three(b)))
        return self.head(c.flatten(1))


@pytest.fixture
def tower():
    return Tower().double().eval()


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(5)
    return [(torch.randn(n, 1, 8, 8, generator=generator).double(), torch.randint(0, 3, (n,), generator=generator)) for n in (6, 6, 3)]


def test_gate_is_the_slope_of_a_gate_put_where_channels_are_read(tower, batches, net_of):
    net = net_of(tower, batches[0][0])
    assert [g.name for g in net.groups] == ["one", "two", "three"] and [g.inner for g in net.groups] == [True, False, True]
    scores = Taylor().scores(net, batches)
    tower.gates = {"one": torch.ones(6).double(), "two": torch.ones(5).double(), "three": torch.ones(4).double()}
    expected = {name: np.zeros(len(gate)) for name, gate in tower.gates.items()}
    for x, y in batches:
        gates = [g.requires_grad_() for g in tower.gates.values()]
        for name, slope in zip(tower.gates, torch.autograd.grad(functional.cross_entropy(tower(x), y), gates), strict=True):
            expected[name] += slope.numpy() ** 2 / len(batches)
    for name, score in scores.items():
        assert score.dtype == torch.float64 and np.allclose(score.numpy(), expected[name], rtol=1e-10, atol=0)


def test_gate_is_the_papers_gate_after_batch_norm(tower, batches, net_of):
    net = net_of(tower, batches[0][0])
    score = Taylor().scores(net, batches[:1])["one"]
    x, y = batches[0]
    slopes = torch.autograd.grad(functional.cross_entropy(tower(x), y), [tower.bn1.weight, tower.bn1.bias])
    paper = (tower.bn1.weight * slopes[0] + tower.bn1.bias * slopes[1]) ** 2
    assert np.allclose(score.numpy(), paper.detach().numpy(), rtol=1e-10, atol=0)


def test_gate_predicts_what_removal_does(tower, batches, net_of):
    """A small step of the gate changes the loss by the slope: finite differences, no autograd."""
    x, y = batches[0]
    score = Taylor().scores(net_of(tower, x), batches[:1])["two"].sqrt()
    step = 1e-5
    with torch.no_grad():
        for c in range(5):
            losses = []
            for sign in (1, -1):
                tower.gates = {"one": torch.ones(6).double(), "two": torch.ones(5).double(), "three": torch.ones(4).double()}
                tower.gates["two"][c] += sign * step
                losses.append(float(functional.cross_entropy(tower(x), y)))
            assert abs(losses[0] - losses[1]) / (2 * step) == pytest.approx(float(score[c]), rel=1e-5, abs=1e-9)


def test_filter_is_the_sum_of_squared_products(tower, batches, net_of):
    scores = Taylor(of="filter").scores(net_of(tower, batches[0][0]), batches)
    expected = {"one": np.zeros(6), "two": np.zeros(5), "three": np.zeros(4)}
    for x, y in batches:
        tower.zero_grad()
        functional.cross_entropy(tower(x), y).backward()
        for name, layers in (("one", [tower.one]), ("two", [tower.two, tower.side]), ("three", [tower.three])):
            for layer in layers:
                for c in range(len(expected[name])):
                    w, g = layer.weight[c].detach().numpy(), layer.weight.grad[c].numpy()
                    expected[name][c] += sum(float(a * b) ** 2 for a, b in zip(g.ravel(), w.ravel(), strict=True)) / len(batches)
    for name, score in scores.items():
        assert np.allclose(score.numpy(), expected[name], rtol=1e-10, atol=0)


def test_of_what_a_gather_picks_the_kernels_that_read_it_count(batches, net_of):
    class Picking(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.stem, self.select, self.bn, self.conv, self.head = nn.Conv2d(1, 6, 3), ChannelSelect(6), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 1), nn.Linear(6, 3)

        def forward(self, x):
            x = self.stem(x)
            return self.head((x + self.conv(functional.relu(self.bn(self.select(x))))).mean((2, 3)))

    model = Picking().double().eval()
    net = net_of(model, batches[0][0])
    scores = Taylor(of="filter").scores(net, batches[:1])["select"]
    x, y = batches[0]
    functional.cross_entropy(model(x), y).backward()
    expected = (model.conv.weight * model.conv.weight.grad).square().sum((0, 2, 3)).detach()
    assert np.allclose(scores.numpy(), expected.numpy(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("of", ["gate", "filter"])
@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_through_prune(digit_nets, prune_digits, noise, name, of):
    model = digit_nets[name]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    pruned = prune_digits(name, Taylor(of=of, batches=2), 0.5, noise)
    assert pruned.report["equivalence"] < 1e-5 and len(pruned.selection.kept) == 6
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()) and all(p.grad is None for p in model.parameters())
    small = dict(pruned.model.named_parameters())
    first = next(iter(pruned.selection.kept))
    assert torch.equal(small[f"{first}.weight"], before[f"{first}.weight"][list(pruned.selection.kept[first])]), "weights were edited"
    assert prune_digits(name, Taylor(of=of, batches=2), 0.5, noise[:2]).selection == pruned.selection, "it read more than two batches"
    flipped = [(x, 9 - y) for x, y in noise]
    assert prune_digits(name, Taylor(of=of, batches=2), 0.5, flipped).selection != pruned.selection, "labels do not matter"


def test_frozen_weights_have_slopes_too(digit_nets, noise, net_of):
    net = net_of(digit_nets["vgg-digits"], noise[0][0])
    free = Taylor().scores(net, noise)
    net.model.requires_grad_(False)
    frozen = Taylor().scores(net, noise)
    assert all(torch.equal(free[n], frozen[n]) for n in free) and not any(p.requires_grad for p in net.model.parameters())


def test_settings_and_data_are_checked(prune_digits):
    with pytest.raises(BenchError, match="batches=0"):
        Taylor(batches=0)
    with pytest.raises(BenchError, match="have none"):
        prune_digits("vgg-digits", Taylor(), 0.5, [])
