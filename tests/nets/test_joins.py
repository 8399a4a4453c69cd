"""What a dense walk shows behind a layer: norms, biases, and what shortcuts have lost, against hooks in plain forward passes."""
from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.nets.graph import read
from benchbase.nets.interpret import runnable
from benchbase.nets.joins import joins, ordered
from benchbase.nets.net import Net, private_copy

X = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()


class Late(nn.Module):
    """As torchvision writes it: the shortcut runs after the branch, the sum and the activation work in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv1, self.conv2, self.bn = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3), nn.Conv2d(8, 9, 3), nn.BatchNorm2d(9)
        self.down, self.norm, self.head = nn.Conv2d(6, 9, 5, bias=False), nn.BatchNorm2d(9), nn.Conv2d(9, 2, 1)

    def forward(self, x):
        x = functional.relu(self.stem(x), inplace=True)
        out = self.bn(self.conv2(functional.relu(self.conv1(x), inplace=True)))
        identity = self.norm(self.down(x))
        out += identity
        return self.head(functional.relu(out, inplace=True))


class Early(nn.Module):
    """A parameter-free shortcut, no norm, a constant that must not be mistaken for one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 2)
        self.conv1, self.conv2 = nn.Conv2d(6, 8, 1, bias=False), nn.Conv2d(8, 6, 1, bias=False)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = x + self.conv2(functional.relu(self.conv1(x)))
        return self.head(x.mean((2, 3))) + 1


class Between(nn.Module):
    """Something works in place between the branch and its shortcut, which then cannot be computed before the branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv1, self.conv2, self.down, self.head = (nn.Conv2d(a, b, 1) for a, b in ((3, 6), (6, 8), (8, 6), (6, 6), (6, 2)))

    def forward(self, x):
        x = self.stem(x)
        out = self.conv2(functional.relu(self.conv1(x)))
        functional.relu_(x)
        return self.head(out + self.down(x))


def net_of(make) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make().double().eval()
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.is_floating_point() and t.dim() == 1:
                t.data.add_(torch.rand(t.shape))
    trace = read(model, X[:2])
    return Net(private_copy(model), trace, torch.Generator().manual_seed(0), trace.groups)


def value_of(model, path):
    caught = []
    handle = model.get_submodule(path).register_forward_hook(lambda m, i, o: caught.append(o.clone()))
    with torch.no_grad():
        model(X)
    handle.remove()
    return caught[0]


def test_a_late_shortcut_is_there_in_time():
    net = net_of(Late)
    original, seen = copy.deepcopy(net.model), set()
    for step in net.walk(X, batch_size=2, dense=True):
        seen.add(step.use.tensor)
        if step.use.tensor == "conv2.weight":
            scale = original.bn.weight / (original.bn.running_var + original.bn.eps).sqrt()
            assert torch.allclose(step.behind.scale, scale) and step.behind.mean is net.model.bn.running_mean and step.shifts
            pruned, dense = step.behind.shortcut
            now, before = value_of(net.model, "norm"), value_of(original, "norm")
            assert torch.allclose(torch.cat(list(pruned)), now) and torch.allclose(torch.cat(list(dense)), before) and not torch.allclose(now, before)
            positions = step.draw(3)
            wanted = (before - now).flatten(2).gather(2, torch.cat(positions)[:, None].expand(-1, 9, -1)).transpose(1, 2).flatten(0, 1)
            assert torch.allclose(torch.cat(list(step.lost(positions))), wanted)
        else:  # of the two layers that meet in the sum, the one with more layers before it is the branch
            assert step.behind.shortcut is None and step.lost([]) is None
        step.keep(step.kept or range(step.group.width // 2))
    assert {"conv1.weight", "conv2.weight", "down.weight"} <= seen
    with torch.no_grad():
        small = copy.deepcopy(net.model)
        assert torch.allclose(small(X), net.model(X))


@pytest.mark.parametrize("make", [Late, Early, Between])
def test_another_order_computes_the_same(make):
    net = net_of(make)
    before = copy.deepcopy(net.model)
    walk = net.walk(X, batch_size=2, dense=True, to_end=True)
    while True:
        try:
            next(walk)
        except StopIteration as end:
            out = torch.cat(end.value)
            break
    with torch.no_grad():
        assert torch.allclose(out, before(X))


def test_a_shortcut_without_layers_and_a_layer_without_anything_behind_it():
    net, found = net_of(Early), {}
    for step in net.walk(X, dense=True):
        found[step.use.tensor] = step
        if step.group.name == "conv1":
            step.keep([0, 1])
    assert found["conv2.weight"].behind.shortcut is not None and found["conv2.weight"].behind.scale is None and not found["conv2.weight"].shifts
    assert found["conv1.weight"].behind.shortcut is None
    head = found["head.weight"]
    assert head.behind.shortcut is None and head.behind.bias is net.model.head.bias


def test_what_works_in_place_keeps_its_place():
    net = net_of(Between)
    ready = runnable(net.model, net.trace.program, (X,))
    layers = [n for n in ready.nodes if n.op == "call_function" and "conv2d" in str(n.target)]
    found = joins(ready.nodes, layers)
    assert sum(j.shortcut is not None for j in found.values()) == 1
    order, kept = ordered(ready.nodes, found)
    assert order == ready.nodes and all(j.shortcut is None for j in kept.values())


@pytest.mark.parametrize(("make", "layer"), [(Late, "conv1"), (Late, "conv2"), (Early, "head"), (Early, "conv2")])
def test_shifts_take_effect_behind_the_layer(make, layer):
    net = net_of(make)
    before, by = copy.deepcopy(net.model), None
    for step in net.walk(X, dense=True):
        if step.use.tensor == f"{layer}.weight" and step.shifts:
            by = torch.arange(1.0, 1 + len(step.weight)).double()
            step.shift(by)
    assert (by is None) is (layer == "conv2" and make is Early)
    if by is not None:
        path = "bn" if (make, layer) == (Late, "conv2") else layer
        gain = before.bn.weight / (before.bn.running_var + before.bn.eps).sqrt() if path == "bn" else 1
        gap = value_of(net.model, path) - value_of(before, path)
        assert torch.allclose(gap, (by * gain).reshape(-1, *[1] * (gap.dim() - 2)).expand_as(gap))
