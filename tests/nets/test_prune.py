"""One prune, end to end on tiny networks: what is checked, what is refused, what is reported."""
from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.foresee import foresee
from benchbase.nets.graph import read
from benchbase.nets.method import Method
from benchbase.nets.prune import prune, prune_network
from benchbase.nets.rebuild import build
from benchbase.nets.seeded import global_state, moved
from benchbase.nets.weights import digest_of
from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.selection import Selection


class Net(nn.Module):
    """conv - conv - (conv - conv + shortcut) - linear, with batch norms of trained-looking statistics."""

    def __init__(self, times: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8 * times, 3, padding=1, bias=False), nn.BatchNorm2d(8 * times)
        self.conv2, self.bn2 = nn.Conv2d(8 * times, 12 * times, 3, padding=1, bias=False), nn.BatchNorm2d(12 * times)
        self.conv3, self.bn3 = nn.Conv2d(12 * times, 10 * times, 3, padding=1), nn.BatchNorm2d(10 * times)
        self.conv4 = nn.Conv2d(10 * times, 12 * times, 3, padding=1)
        self.head = nn.Linear(12 * times, 5)
        for bn in (self.bn1, self.bn2, self.bn3):
            for t in (bn.weight.data, bn.bias.data, bn.running_mean):
                t.normal_(generator=torch.Generator().manual_seed(len(t)))

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = x + self.conv4(functional.relu(self.bn3(self.conv3(x))))
        return self.head(functional.relu(x).mean((2, 3)))


@dataclass(frozen=True)
class Largest(Method):
    """l1-norm, in short."""

    name: ClassVar[str] = "largest"

    def select(self, net, data, budget):
        return Selection({g.name: sorted(net.filters(g).abs().sum(1).topk(budget.keep(g)).indices.tolist()) for g in net.groups})


@dataclass(frozen=True)
class Spy(Method):
    """Does whatever the test says."""

    act: Any = field(default=None, compare=False)
    name: ClassVar[str] = "spy"

    def select(self, net, data, budget):
        return self.act(net, data, budget)


@dataclass(frozen=True)
class Threshold(Method):
    """Automatic: the largest filters of the whole net; every layer keeps one."""

    name: ClassVar[str] = "threshold"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"

    def select(self, net, data, budget):
        scores = {g.name: net.filters(g).abs().mean(1) for g in net.groups}
        every = torch.cat(list(scores.values())).sort().values
        bar = every[min(int(len(every) * budget.ratio), len(every) - 1)]
        kept = {n: (s >= bar).nonzero().flatten().tolist() for n, s in scores.items()}
        for name in [n for n, k in kept.items() if not k]:
            kept[name] = [int(scores[name].argmax())]
            net.rescued.append(name)
        return Selection(kept)


@dataclass(frozen=True)
class Magnitude(Method):
    name: ClassVar[str] = "magnitude"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"

    def select(self, net, data, budget):
        weights = {n: p.detach().abs() for n, p in net.model.named_parameters() if p.dim() == 4}
        bar = torch.cat([w.flatten() for w in weights.values()]).quantile(budget.ratio)
        return Selection(masks={n: w > bar for n, w in weights.items()})


X = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
DENSE = Architecture("net", 5, (3, 8, 8))


def test_the_cut_is_right_and_the_users_model_is_untouched():
    model = Net().train()
    model.head.weight.grad = torch.ones_like(model.head.weight)
    before, random_before = digest_of(model.state_dict()), global_state()
    pruned = prune(model, Largest(), 0.5, example=X)
    assert digest_of(model.state_dict()) == before and model.training and bool(model.head.weight.grad.all())
    assert moved(random_before, global_state()) == ""
    assert {n: len(k) for n, k in pruned.selection.kept.items()} == {"conv1": 4, "conv3": 5}  # inner groups, in network order
    assert list(pruned.selection.kept) == ["conv1", "conv3"]
    best = model.conv1.weight.detach().abs().sum((1, 2, 3)).topk(4).indices.sort().values
    assert torch.equal(pruned.model.conv1.weight, model.conv1.weight[best]) and pruned.selection.kept["conv1"] == tuple(best.tolist())
    with torch.no_grad():  # independent of our surgery: the full net with the lost maps set to zero by hooks
        full = Net().eval()
        full.load_state_dict(model.state_dict())
        for name, kept in (("bn1", pruned.selection.kept["conv1"]), ("bn3", pruned.selection.kept["conv3"])):
            stay = torch.zeros(len(getattr(full, name).weight))
            stay[list(kept)] = 1
            getattr(full, name).register_forward_hook(lambda m, i, o, s=stay: o * s[:, None, None])
        assert torch.allclose(full(X), pruned.model(X), atol=1e-5)
    assert not pruned.model.training and pruned.report["equivalence"] < 1e-5


def test_report_and_architecture():
    model = Net()
    pruned = prune_network(model, Largest(), Budget(ratio=0.5, scope="all"), None, X, 0, DENSE)
    macs = {"dense": 64 * (27 * 8 + 72 * 12 + 108 * 10 + 90 * 12) + 60, "pruned": 64 * (27 * 4 + 36 * 6 + 54 * 5 + 45 * 6) + 30}
    report = pruned.report
    assert report["macs"] == macs and report["params"]["dense"] == sum(p.numel() for p in model.parameters())
    assert report["params"]["pruned"] == sum(p.numel() for p in pruned.model.parameters())
    assert report["achieved"]["channels"] == 0.5 and report["achieved"]["macs"] == round(1 - macs["pruned"] / macs["dense"], 6)
    assert report["asked"]["ratio"] == 0.5 and report["rescued"] == []
    a = pruned.architecture
    assert a.widths == {"conv1": 4, "conv2": 6, "conv3": 5} and a.model == "net"
    assert a.shapes["conv3.weight"] == (5, 6, 3, 3) and "head.bias" not in a.shapes
    fresh = build(a, model=Net)
    assert {n: p.shape for n, p in fresh.state_dict().items()} == {n: p.shape for n, p in pruned.model.state_dict().items()}


def test_equal_shapes_have_equal_digests_and_are_foreseen():
    model = Net()
    first = Spy(lambda net, data, budget: Selection({g.name: range(budget.keep(g)) for g in net.groups}))
    one, two = (prune_network(model, m, Budget(ratio=0.5), None, X, 0, DENSE).architecture for m in (Largest(), first))
    seen = foresee(model, Largest(), Budget(ratio=0.5), read(model, X))
    assert one.digest == two.digest == Architecture("net", 5, (3, 8, 8), shapes=seen.shapes).digest
    assert one.digest != prune_network(model, first, Budget(ratio=0.25), None, X, 0, DENSE).architecture.digest


def test_edits_of_the_private_copy_are_what_gets_cut():
    model = Net()

    def act(net, data, budget):
        with torch.no_grad():
            net.model.head.weight.mul_(2)
        return Selection({"conv1": [0, 2, 5, 7], "conv3": range(5)})
    pruned = prune(model, Spy(act), 0.5, example=X)
    assert torch.equal(pruned.model.head.weight, 2 * model.head.weight)


def test_data_is_a_stream_with_its_own_randomness():
    class Shuffled:
        def __iter__(self):
            for _ in range(3):
                yield X[torch.randperm(4)], torch.zeros(4).long()
    seen = []

    def act(net, data, budget):
        for _ in range(2):
            seen.append(torch.stack([x for x, _ in data]))
        return Selection({g.name: range(budget.keep(g)) for g in net.groups})
    prune(Net(), Spy(act), 0.5, Shuffled(), X)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0][0], seen[0][1])
    with pytest.raises(BenchError, match="none were given"):
        prune(Net(), Spy(act), 0.5, None, X)


def _with(kept):
    return lambda net, data, budget: Selection({"conv1": range(4), "conv3": range(5)} | kept)


def _then(effect):
    def act(net, data, budget):
        effect(net)
        return Selection({"conv1": range(4), "conv3": range(5)})
    return act


def _nan(net):
    net.model.conv1.weight.data[0] = float("nan")


@pytest.mark.parametrize(("act", "words"), [
    (_with({"conv9": [0]}), "conv9"), (_with({"conv2": [0]}), "conv2"), (_with({"conv1": [0, 0, 1, 2]}), "twice"),
    (_with({"conv1": [-1, 0, 1, 2]}), "-1"), (_with({"conv1": [0, 1, 2, 8]}), "index 8"), (_with({"conv1": []}), "nothing is left of conv1"),
    (_with({"conv1": [0, 1, 2]}), "keeps 3 of 8"), (_with({"conv1": [3, 2, 1, 0]}), "ascending"), (_with({"conv1": [0.0, 1, 2, 3]}), "whole numbers"),
    (_with({"conv1": [False, True]}), "whole numbers"), (lambda n, d, b: {"conv1": [0]}, "not a Selection"),
    (lambda n, d, b: Selection(masks={"conv1.weight": torch.ones(2, dtype=torch.bool)}), "keeps 8 of 8|mask of conv1"),
    (_then(lambda net: net.model.train()), "train mode"), (_then(lambda net: net.model.bn1.train()), "bn1"),
    (_then(lambda net: net.model.conv1.register_forward_hook(lambda *a: None)), "hooks"), (_then(lambda net: torch.rand(1)), "torch's global"),
    (_then(lambda net: numpy.random.rand()), "numpy's global"), (_then(lambda net: random.random()), "random's global"),
    (_then(_nan), "nan or infinity in conv1.weight"), (_then(lambda net: setattr(net.model, "conv2", nn.Conv2d(8, 6, 3))), "conv2.weight"),
    (_then(lambda net: 1 / 0), "ZeroDivisionError")])
def test_what_a_method_gets_wrong_is_named(act, words):
    model, before = Net(), global_state()
    with pytest.raises(BenchError, match=words) as error:
        prune(model, Spy(act), 0.5, example=X)
    assert error.value.kind == "method_error" and error.value.what.startswith("spy: ") and error.value.todo
    assert moved(before, global_state()) == ""


def test_automatic_methods_and_shares():
    model = Net()
    pruned = prune_network(model, Threshold(), Budget(ratio=0.5), None, X, 0, DENSE)
    assert sum(map(len, pruned.selection.kept.values())) in (15, 16)
    for key in ("macs", "params"):
        got = prune_network(Net(4), Threshold(), Budget(**{key: 0.5}), None, X, 0, DENSE).report
        assert abs(1 - got[key]["pruned"] / got[key]["dense"] - 0.5) <= 0.02
    assert foresee(model, Threshold(), Budget(ratio=0.5), read(model, X)).shapes is None


def test_masks():
    model = Net()
    pruned = prune_network(model, Magnitude(), Budget(ratio=0.75), None, X, 0, DENSE)
    assert pruned.architecture.masks == digest_of(pruned.masks) and not pruned.architecture.shapes
    kept = sum(int(m.sum()) for m in pruned.masks.values())
    total = sum(m.numel() for m in pruned.masks.values())
    assert abs(kept / total - 0.25) < 0.01 and pruned.report["macs"]["dense"] == pruned.report["macs"]["pruned"]
    assert pruned.report["nonzero"]["dense"] - pruned.report["nonzero"]["pruned"] == total - kept
    assert bool((pruned.model.conv2.weight[~pruned.masks["conv2.weight"]] == 0).all())
    shared = prune_network(model, Magnitude(), Budget(macs=0.6), None, X, 0, DENSE).report["achieved"]
    assert abs(shared["macs_nonzero"] - 0.6) <= 0.02


def test_bad_calls():
    for call, word in [(lambda: prune("net", Largest(), 0.5, example=X), "str"), (lambda: prune(Net(), 3, 0.5, example=X), "method"),
                       (lambda: prune(Net(), Largest(), 0.5), "example"), (lambda: prune(Net(), Largest(), 1.5, example=X), "1.5"),
                       (lambda: prune(Net(), Largest(), 0.95, example=X), "nothing of conv1")]:
        with pytest.raises(BenchError, match=word):
            call()


class Grouped(nn.Module):
    """conv 3->16, depthwise 16, conv 16->24 in 4 groups, linear: two channels that go together, and one in each of four groups."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.depth = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.mix, self.grouped, self.head = nn.Conv2d(16, 32, 1), nn.Conv2d(32, 24, 3, padding=1, groups=4), nn.Linear(24, 5)

    def forward(self, x):
        x = functional.relu(self.depth(functional.relu(self.first(x))))
        return self.head(functional.relu(self.grouped(functional.relu(self.mix(x)))).mean((2, 3)))


@pytest.mark.parametrize("budget", [Budget(ratio=0.37, round_to=4, scope="all"), Budget(macs=0.5, round_to=2, scope="all"),
                                    Budget(ratios={"first": 0.8, "mix": 0.3}, round_to=4, scope="all")])
def test_rounded_widths_of_depthwise_and_grouped_convolutions(budget):
    """Every group stays a multiple, or whole; the depthwise convolution has as many channels as what it reads, the grouped one four equal parts."""
    net = Grouped().eval()
    pruned = prune(net, Largest, budget, example=torch.randn(2, 3, 8, 8))
    assert all(len(kept) % budget.round_to == 0 or (name, len(kept)) == ("grouped", 6) for name, kept in pruned.selection.kept.items())
    small = pruned.model
    assert small.first.out_channels == small.depth.groups == small.depth.out_channels < 16
    assert small.grouped.groups == 4 and small.grouped.in_channels == small.mix.out_channels < 32 and small.grouped.out_channels % 4 == 0
    assert pruned.report["equivalence"] < 1e-4 and pruned.report["rescued"] == []


def test_rounding_is_for_methods_that_keep_what_the_budget_says():
    for more in ({"target": "automatic"}, {"granularity": "weight"}):
        method = type("Own", (Largest,), {"name": "own", **more})
        with pytest.raises(BenchError, match=r"own .* rounds widths") as error:
            prune(Net(), method, Budget(ratio=0.5, round_to=4), example=torch.randn(2, 3, 8, 8))
        assert error.value.kind == "not_applicable"
