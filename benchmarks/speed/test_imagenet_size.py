"""ThiNet and regression on the networks of their papers at 224 x 224 with 100 images: seconds, and in units of the forward passes."""
from __future__ import annotations

import time

import pytest
import torch
import yaml
from torch import nn

from benchbase.nets.foresee import foresee
from benchbase.nets.graph import read
from benchbase.nets.net import Net, private_copy
from benchbase.values.budget import budget_of
from benchbase_plugins.budgets import bench_budgets
from benchbase_plugins.methods.regression import Regression
from benchbase_plugins.methods.thinet import ThiNet

torchvision = pytest.importorskip("torchvision")
BUDGETS = {name: data for path in bench_budgets() for name, data in yaml.safe_load(path.read_text()).items()}
IMAGES, BATCH = 100, 20


@pytest.fixture(scope="module", params=["vgg16", "resnet50"])
def network(request):
    """A network, its trace, and the seconds of one forward pass of all images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(torchvision.models, request.param)().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1)
        trace, images = read(model, torch.randn(2, 3, 224, 224)), torch.randn(IMAGES, 3, 224, 224)
    start = time.perf_counter()
    with torch.no_grad():
        for x in images.split(BATCH):
            model(x)
    return request.param, model, trace, images, time.perf_counter() - start


@pytest.mark.parametrize("method", [ThiNet(images=IMAGES), Regression(images=IMAGES)], ids=lambda method: method.name)
def test_choices_and_refits_cost_less_than_the_forward_passes(network, method, benchmark, monkeypatch):
    name, model, trace, images, forward = network
    asked = {"resnet50": "resnet50-50", "vgg16": "vgg-conv" if method.name == "thinet" else "vgg-5x"}[name]
    budget = foresee(model, method, budget_of(BUDGETS[asked], asked), trace).budget
    inside, prune = [], type(method).prune

    def timed(*arguments):
        start = time.perf_counter()
        prune(*arguments)
        inside.append(time.perf_counter() - start)
    monkeypatch.setattr(type(method), "prune", timed)
    net = Net(private_copy(model), trace, torch.Generator().manual_seed(0), tuple(g for g in trace.groups if g.inner))
    start = time.perf_counter()
    benchmark.pedantic(lambda: method.select(net, [(x, None) for x in images.split(BATCH)], budget), rounds=1)
    taken = time.perf_counter() - start
    benchmark.extra_info |= {"seconds": taken, "select / forward": taken / forward, "choice and refit / forward": sum(inside) / forward}
    print(f"{name} {asked} {method.name}: one forward pass {forward:.1f} s, select {taken:.1f} s, of it choices and refits {sum(inside):.1f} s")
    assert sum(inside) < taken - sum(inside)
