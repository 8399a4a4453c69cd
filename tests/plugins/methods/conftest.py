from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchbase.nets.graph import read
from benchbase.nets.net import Net, private_copy
from benchbase.nets.prune import Pruned, prune_network
from benchbase.training.data import Data, load
from benchbase.training.machine import Machine
from benchbase.values.budget import budget_of
from benchbase_plugins.datasets.synthetic import Synthetic
from benchbase_plugins.models.resnet import resnet_digits
from benchbase_plugins.models.vgg import vgg_digits


@pytest.fixture(scope="session")
def net_of() -> Callable[..., Net]:
    """net_of(model, example, inner=False): a Net over a private copy."""
    def make(model: nn.Module, example: torch.Tensor, inner: bool = False) -> Net:
        trace = read(model, example)
        return Net(private_copy(model).eval(), trace, torch.Generator().manual_seed(0), tuple(g for g in trace.groups if g.inner or not inner))
    return make


@pytest.fixture(scope="session")
def digit_nets() -> dict[str, nn.Module]:
    """vgg-digits and resnet-digits, each weight drawn, statistics and scales of norms too."""
    made = {}
    with torch.random.fork_rng():
        for name, build in (("vgg-digits", vgg_digits), ("resnet-digits", resnet_digits)):
            torch.manual_seed(1)
            made[name] = model = build(10, 1).eval()
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias, 0, 0.1)
    return made


@pytest.fixture(scope="session")
def prune_digits(digit_nets) -> Callable[..., Pruned]:
    """prune_digits(name of a network, method, budget, data=None): through the whole of prune, but for reading the network anew."""
    traces = {name: read(model, torch.zeros(2, 1, 8, 8)) for name, model in digit_nets.items()}

    def run(name: str, method: Any, budget: Any, data: Any = None, model: nn.Module | None = None, **more: Any) -> Pruned:
        example = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(3))
        return prune_network(model or digit_nets[name], method, budget_of(budget), data, example, trace=traces[name], **more)
    return run


@pytest.fixture(scope="session")
def noise() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Three batches of labelled noise of the size of digits, the last one short."""
    generator = torch.Generator().manual_seed(2)
    return [(torch.randn(n, 1, 8, 8, generator=generator), torch.randint(0, 10, (n,), generator=generator)) for n in (32, 32, 16)]


@pytest.fixture(scope="session")
def made_up() -> Data:
    """64 made-up images of ten classes."""
    return load(Synthetic(num_classes=10, train=64, test=32), Path("nowhere"))


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.prepare()
    return made
