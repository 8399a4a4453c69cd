from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
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
    model.file = open(__file__)  # noqa: SIM115
    with pytest.raises(BenchError, match="cannot be copied"):
        private_copy(model)
    model.file.close()
