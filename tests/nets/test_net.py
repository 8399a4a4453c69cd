from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.gather import ChannelSelect
from benchbase.nets.graph import read
from benchbase.nets.net import Net, Raw, private_copy
from benchbase.values.budget import Budget


class Mixed(nn.Module):
    """A bare kernel, a batch norm, a layer, a flattened linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(6, 3, 3, 3))
        self.bn = nn.BatchNorm2d(6)
        self.conv = nn.Conv2d(6, 4, 3)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        return self.head(functional.relu(self.conv(functional.relu(self.bn(functional.conv2d(x, self.kernel))))).flatten(1))


@pytest.fixture
def net() -> Net:
    model = Mixed().eval()
    trace = read(model, torch.randn(2, 3, 6, 6))
    return Net(private_copy(model), trace, torch.Generator().manual_seed(0), trace.groups)


def test_producers_norms_consumers(net):
    first, second = net.groups
    assert (first.width, second.width) == (6, 4)
    producer = net.producer(first)
    assert isinstance(producer, Raw) and producer.weight is net.model.kernel
    assert net.producer(second) is net.model.conv
    assert net.norm(first) is net.model.bn and net.norm(second) is None
    [(use, module)] = net.consumers(first)
    assert module is net.model.conv and use.dim == 1 and use.at.shape == (6, 1)
    [(use, module)] = net.consumers(second)
    assert module is net.model.head and use.at.tolist() == torch.arange(16).reshape(4, 4).tolist()
    assert torch.equal(net.filters(first), net.model.kernel.reshape(6, -1))


def test_writers_say_where_they_write(net):
    first, second = net.groups
    [(use, layer)] = net.writers(first)
    assert isinstance(layer, Raw) and layer.weight is net.model.kernel and (use.tensor, use.dim) == ("kernel", 0)
    [(use, layer)] = net.writers(second)
    assert layer is net.model.conv and use.tensor == "conv.weight" and use.at.tolist() == [[0], [1], [2], [3]]


def test_every_layer_that_is_added_is_a_writer():
    model = Added().eval()
    trace = read(model, torch.randn(2, 3, 8, 8))
    net = Net(private_copy(model), trace, torch.Generator().manual_seed(0), trace.groups)
    [group] = [g for g in net.groups if not g.inner]
    assert [layer for _, layer in net.writers(group)] == [net.model.one, net.model.two]
    assert [use.tensor for use, _ in net.writers(group)] == ["one.weight", "two.weight"]


class Added(nn.Module):
    """Two convolutions into one sum."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 5, 3), nn.Conv2d(5, 2, 1)

    def forward(self, x):
        return self.head(functional.relu(self.one(x) + self.two(x)))


def test_zero_silences_a_channel(net):
    net.zero(net.groups[0], [0, 1, 2, 3, 5])
    assert float(net.model.kernel[4].detach().abs().sum()) == 0 and float(net.model.bn.bias[4].detach()) == 0
    assert float(net.model.conv.weight[:, 4].detach().abs().sum()) == 0 and float(net.model.kernel[5].detach().abs().sum()) > 0


def test_uniform_stays_at_the_cost(net):
    widths = net.uniform(Budget(widths={net.groups[0].name: 3, net.groups[1].name: 2}, scope="all")).widths
    assert widths == {net.groups[0].name: 3, net.groups[1].name: 2}


def test_a_copy_shares_nothing_and_takes_what_torch_refuses():
    model = Mixed()
    model.cache = {"last": [model.conv.weight * 2]}
    with pytest.raises(RuntimeError):
        copy.deepcopy(model)
    twin = private_copy(model)
    assert torch.equal(twin.cache["last"][0], model.conv.weight * 2)
    twin.conv.weight.data.zero_()
    assert float(model.conv.weight.detach().abs().sum()) > 0 and twin.cache["last"][0].grad_fn is None
    model.file = open(__file__)
    with pytest.raises(BenchError, match="cannot be copied"):
        private_copy(model)
    model.file.close()


class Picking(nn.Module):
    """A stream of eight channels, a block that picks its own of them, and one that picks by a bare buffer of indices."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.select, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), ChannelSelect(8), nn.BatchNorm2d(8)
        self.conv1, self.bn2, self.conv2 = nn.Conv2d(8, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Conv2d(6, 8, 3, padding=1)
        self.register_buffer("chosen", torch.arange(8))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.conv2(functional.relu(self.bn2(self.conv1(functional.relu(self.bn1(self.select(x)))))))
        return self.head(x.index_select(1, self.chosen).mean((2, 3)))


def test_a_group_that_starts_at_a_gather():
    model = Picking().eval()
    trace = read(model, torch.randn(2, 3, 6, 6))
    net = Net(model, trace, torch.Generator(), trace.groups)
    picked, inside, last = net.groups
    assert [(g.name, g.width, g.inner) for g in net.groups] == [("select", 8, False), ("conv1", 6, True), ("chosen", 8, False)]
    assert net.producer(picked) is model.select and net.producer(inside) is model.conv1 and net.producer(last) is model
    assert net.writers(picked) == [] == net.writers(last) and [m for _, m in net.writers(inside)] == [model.conv1]
    assert torch.equal(net.filters(picked), model.conv1.weight.transpose(0, 1).reshape(8, -1))
    assert torch.equal(net.filters(inside), model.conv1.weight.reshape(6, -1)) and torch.equal(net.filters(last), model.head.weight.T)
    assert net.norm(picked) is model.bn1 and net.norm(inside) is model.bn2 and net.norm(last) is None
    [(use, norm)] = net.norms(picked)
    assert norm is model.bn1 and use.tensor == "bn1.weight" and use.at.tolist() == [[i] for i in range(8)]
    assert [m for _, m in net.consumers(picked)] == [model.conv1]


def test_all_norms_of_a_stream():
    model = nn.ModuleDict({"conv1": nn.Conv2d(3, 4, 1), "bn1": nn.BatchNorm2d(4), "conv2": nn.Conv2d(4, 4, 1), "bn2": nn.BatchNorm2d(4),
                           "bn3": nn.BatchNorm2d(4, affine=False), "head": nn.Linear(4, 2)}).eval()

    def forward(x):
        x = model["bn1"](model["conv1"](x))
        return model["head"]((x + model["bn2"](model["conv2"](model["bn3"](x)))).mean((2, 3)))
    model.forward = forward
    trace = read(model, torch.randn(2, 3, 6, 6))
    [group] = trace.groups
    net = Net(model, trace, torch.Generator(), trace.groups)
    assert [m for _, m in net.norms(group)] == [model["bn1"], model["bn2"]] and net.norm(group) is model["bn1"]
