"""The training loop in units of a bare one written for the same network, both in one run; images a second of a ResNet-20."""
from __future__ import annotations

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from ways import Noise, epoch

from benchbase.training.augment import crop_flip
from benchbase.training.data import load
from benchbase.training.loop import evaluate, train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase_plugins.models.resnet import resnet20

RECIPE = Recipe(epochs=1, batch_size=64)


@pytest.fixture(scope="module")
def data():
    return load(Noise(), Path())


def tiny_net() -> nn.Module:
    """So small that a step is mostly the loop's own work."""
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1, bias=False),
                         nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def bare(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """One epoch as one writes it down: shuffle, crop, flip, normalise, step; channels last."""
    model.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True)
    generator, mean, std = torch.Generator().manual_seed(0), torch.full((3, 1, 1), 127.5), torch.full((3, 1, 1), 73.6)
    for index in torch.randperm(len(labels), generator=generator).split(64):
        x = crop_flip(images[index], generator).float().sub_(mean).div_(std).contiguous(memory_format=torch.channels_last)
        optimiser.zero_grad()
        functional.cross_entropy(model(x), labels[index]).backward()
        optimiser.step()


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


@pytest.mark.parametrize(("make", "most", "rounds"), [(tiny_net, 1.15, 15), (resnet20, 1.05, 3)], ids=["tiny", "resnet20"])
def test_the_loop_costs_what_a_bare_one_costs(make, most, rounds, data, benchmark):
    machine, model = Machine(), make() if make is tiny_net else make(10)
    machine.prepare()
    images, labels = Noise().load(Path(), "train")
    ours, theirs = [], []
    for _ in range(rounds):  # in turn, so that a busy machine slows both
        theirs.append(seconds(lambda: bare(model, images, labels)))
        ours.append(seconds(lambda: train_(model, RECIPE, data, Seeds(0), machine)))
    benchmark.pedantic(train_, (model, RECIPE, data, Seeds(0), machine), rounds=1)
    benchmark.extra_info.update(ratio=round(min(ours) / min(theirs), 3), images_per_second=round(1024 / min(ours)))
    assert min(ours) / min(theirs) < most


@pytest.mark.parametrize(("network", "images", "least"), [("resnet20", 1024, 1.1), ("resnet56", 512, 1.1), ("vgg16", 256, 0.9)],
                         ids=["resnet20", "resnet56", "vgg16"])
def test_the_loop_beside_a_loader_of_pictures(network, images, least, benchmark):
    """Each with one thread in a process of its own, in turn; batches of 128."""
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as one, ProcessPoolExecutor(1, spawn) as other:
        rounds = [[pool.submit(epoch, name, network, images).result() for name, pool in (("usual", one), ("ours", other))] for _ in range(5)]
    benchmark.pedantic(lambda: None)
    ratios = sorted(a / b for a, b in rounds)
    benchmark.extra_info.update(ratio=round(statistics.median(ratios), 3), least=round(ratios[0], 3), most=round(ratios[-1], 3),
                                images_per_second=round(images / min(b for _, b in rounds)), usual=round(images / min(a for a, _ in rounds)))
    assert statistics.median(ratios) > least


def test_images_a_second_of_evaluation(data, benchmark):
    machine, model = Machine(), resnet20(10)
    machine.prepare()
    benchmark.pedantic(evaluate, (model, data, machine), rounds=3)
    benchmark.extra_info.update(images_per_second=round(1024 / benchmark.stats.stats.min))


def test_crops_of_a_batch(benchmark):
    images, generator = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8), torch.Generator().manual_seed(0)
    torch.set_num_threads(1)
    benchmark(crop_flip, images, generator)


def test_the_static_rule_of_memory_formats(benchmark):
    """Channels last wins on the narrow network and not on the wide one, forward and backward."""
    def wide() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 512, 3, 4, 1), nn.ReLU(), nn.Conv2d(512, 512, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def step(model: nn.Module, layout: torch.memory_format) -> float:
        model.to(memory_format=layout)
        x = torch.randn(32, 3, 32, 32).contiguous(memory_format=layout)
        return min(seconds(lambda: model(x).sum().backward()) for _ in range(3))

    torch.set_num_threads(1)
    ratios = {name: step(net, torch.channels_last) / step(net, torch.contiguous_format) for name, net in (("narrow", resnet20(10)), ("wide", wide()))}
    benchmark.extra_info.update({k: round(v, 3) for k, v in ratios.items()})
    benchmark.pedantic(lambda: None)
    assert ratios["narrow"] < 1.02 and ratios["wide"] > 0.9
