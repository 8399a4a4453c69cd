"""The paper's budgets against the widths that its tables and scripts give."""
from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

import pytest
import torch
import yaml
from torch import nn

from benchbase.nets.foresee import foresee
from benchbase.nets.graph import read
from benchbase.values.budget import Budget, budget_of
from benchbase_plugins.budgets import bench_budgets
from benchbase_plugins.methods.regression import Regression
from benchbase_plugins.methods.sss import SSS
from benchbase_plugins.models.libraries import bench_open_model
from benchbase_plugins.models.resnet import resnet56, resnet110
from benchbase_plugins.models.vgg import vgg16, vgg16_gap

OWN = {"vgg16": vgg16, "vgg16-gap": vgg16_gap, "resnet56": resnet56, "resnet110": resnet110}
NAMED = {name: data for path in bench_budgets() for name, data in yaml.safe_load(path.read_text()).items()}


@dataclass(frozen=True)
class Layer:
    name: str
    width: int


def layers(model: str, *suffixes: str) -> list[Layer]:
    """Convolutions in network order, nothing allocated. suffixes: the ends of the names that count."""
    with torch.device("meta"):
        net = (OWN.get(model) or bench_open_model(model))(10)
    return [Layer(n, m.out_channels) for n, m in net.named_modules() if isinstance(m, nn.Conv2d) and (not suffixes or n.endswith(suffixes))]


def kept(name: str, *suffixes: str) -> list[int]:
    budget = budget_of(NAMED[name], name)
    return [budget.keep(layer) for layer in layers(NAMED[name]["model"], *suffixes)]


@pytest.mark.parametrize("name", NAMED)
def test_every_budget_reads_and_every_glob_names_a_layer(name):
    budget = budget_of(NAMED[name], name)
    assert budget.label == name and budget.scope == ("" if budget.dropped else "inner") and NAMED[name]["source"]
    names = [layer.name for layer in layers(NAMED[name]["model"])]
    for glob in (*budget.ratios, *budget.widths, *budget.reads):
        assert any(fnmatchcase(n, glob) for n in names), glob


# by convolution number as in the authors' scripts: conv1 is 1, the first convolution of block k is 2k + 2
@pytest.mark.parametrize(("name", "stages", "skipped"), [
    ("resnet56-a", (14, 28, 57), {16, 20, 38, 54}), ("resnet56-b", (6, 22, 57), {16, 18, 20, 34, 38, 54}),
    ("resnet110-a", (8, 32, 64), {36}), ("resnet110-b", (8, 19, 44), {36, 38, 74})])
def test_cifar_resnets(name, stages, skipped):
    blocks = (int(name[6:].partition("-")[0]) - 2) // 6
    expected = [(16, 32, 64)[k // blocks] if 2 * k + 2 in skipped else stages[k // blocks] for k in range(3 * blocks)]
    assert kept(name, ".conv1") == expected
    assert kept(name, ".conv2") == [layer.width for layer in layers(NAMED[name]["model"], ".conv2")]


def test_vgg16():
    assert kept("vgg16-a") == [32, 64, 128, 128, 256, 256, 256] + [256] * 6


def test_blocks_dropped():
    """As many layers as the names say, and as many epochs of Scratch-B as in the paper: int(100 F1/F2)."""
    pytest.importorskip("torchvision")
    with torch.random.fork_rng():
        model = bench_open_model("torchvision:resnet50")(1000).eval()
    trace = read(model, torch.zeros(2, 3, 224, 224))
    for name, layers, left, epochs in (("resnet41", 41, (0, 4, 6, 3), 117), ("resnet32b", 32, (1, 4, 4, 1), 145), ("resnet26", 26, (0, 2, 5, 1), 179)):
        budget = budget_of(NAMED[name], name)
        assert tuple(sum(f"layer{i}.{j}" not in budget.dropped for j in range(n)) for i, n in zip((1, 2, 3, 4), (3, 4, 6, 3))) == left
        seen = foresee(model, SSS(), budget, trace)
        assert 2 + 3 * sum(left) == layers and seen.dropped == budget.dropped and int(100 * seen.dense.macs / seen.pruned.macs) == epochs


def test_imagenet():
    pytest.importorskip("torchvision")
    assert kept("resnet34-a", ".conv1") == [64, 44, 44, 128, 89, 89, 128, 256, 179, 179, 179, 179, 256, 512, 512, 512]
    assert kept("resnet34-b", ".conv1") == [64, 32, 32, 128, 51, 51, 128, 256, 153, 153, 153, 153, 256, 512, 512, 512]
    for name, widths in (("thinet-30", (19, 38, 76, 153)), ("thinet-50", (32, 64, 128, 256)), ("thinet-70", (44, 89, 179, 358))):
        expected = [w for w, blocks in zip(widths, (3, 4, 6, 3)) for _ in range(blocks)]
        assert [kept(name, f".{conv}") for conv in ("conv1", "conv2")] == [expected, expected]
        assert kept(name, ".conv3", "downsample.0") == [layer.width for layer in layers("torchvision:resnet50", ".conv3", "downsample.0")]
    assert kept("vgg-conv") == [32, 32, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512]
    assert kept("vgg-5x") == [24, 22, 41, 51, 108, 89, 111, 184, 276, 228, 512, 512, 512]
    assert kept("vgg-gap") == [32, 32, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512]
    assert kept("vgg-tiny") == [16, 16, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 256]


def test_resnet50_2x():
    """cfg_2x of the authors' resnet_2x.py: input, first and second width of every block."""
    pytest.importorskip("torchvision")
    budget = budget_of(NAMED["resnet50-2x"], "resnet50-2x")
    blocks = [f"layer{i}.{j}" for i, n in zip((1, 2, 3, 4), (3, 4, 6, 3)) for j in range(n)]
    widths = {layer.name: budget.keep(layer) for layer in layers("torchvision:resnet50")}
    assert [n for b in blocks for n in (budget.reads[f"{b}.conv1"], widths[f"{b}.conv1"], widths[f"{b}.conv2"])] == [
        35, 64, 55, 101, 51, 39, 97, 50, 37, 144, 128, 106, 205, 105, 72, 198, 105, 72, 288, 128, 110, 278, 256, 225, 418, 209, 147,
        407, 204, 158, 423, 212, 155, 412, 211, 148, 595, 256, 213, 606, 512, 433, 1222, 512, 437, 1147, 512, 440]


@cache
def places(model: str, classes: int, size: int) -> dict[str, tuple[nn.Module, int]]:
    """Convolution or linear layer, in the order of the modules -> itself and the positions of its output, from a pass without numbers."""
    found = {}
    with torch.device("meta"):
        net = (OWN.get(model) or bench_open_model(model))(classes).eval()
        for name, m in net.named_modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                m.register_forward_hook(lambda m, inputs, out, name=name: found.__setitem__(name, (m, out[0, 0].numel())))
        net(torch.zeros(1, 3, size, size))
    return {name: found[name] for name, _ in net.named_modules() if name in found}


def multiply_adds(model: str, classes: int, size: int, budget: Budget) -> int:
    """Of the network that a budget leaves. What a layer reads: what the one before it in its chain or block keeps, else its whole input."""
    total, left, whole = 0, 3, 3
    for path, (m, positions) in places(model, classes, size).items():
        linear = isinstance(m, nn.Linear)
        outputs, inputs = (m.out_features, m.in_features) if linear else (m.out_channels, m.in_channels)
        out = outputs if linear else budget.keep(Layer(path, outputs))
        if linear or "vgg" in model or path.endswith((".conv2", ".conv3")):
            inputs = left * (inputs // whole)
        total += positions * out * budget.reads.get(path, inputs) * (1 if linear else m.kernel_size[0] * m.kernel_size[1])
        left, whole = out, outputs
    return total


# protocol: multiply-adds of the large network over those of the small one, by the authors' counter, which counts norms and pools too
@pytest.mark.parametrize(("name", "ratio"), [
    ("vgg16-a", 1.5190), ("resnet56-a", 1.1157), ("resnet56-b", 1.3791), ("resnet110-a", 1.1883), ("resnet110-b", 1.6273), ("resnet34-a", 1.1816),
    ("resnet34-b", 1.3164), ("vgg-conv", 3.23), ("vgg-gap", 3.31), ("vgg-tiny", 15.35), ("thinet-30", 3.48), ("thinet-50", 2.24),
    ("thinet-70", 1.569), ("resnet50-30", 3.48), ("resnet50-50", 2.24), ("resnet50-70", 1.569), ("vgg-5x", 4.40), ("vgg16-5x", 4.40), ("resnet50-2x", 1.4951)])
def test_the_costs_are_in_the_papers_ratio(name, ratio):
    pytest.importorskip("torchvision")
    model = NAMED[name]["model"]
    large = "torchvision:vgg16" if model == "vgg16-gap" else model
    form = (1000, 224) if "torchvision" in large else (10, 32)
    dense = multiply_adds(large, *form, Budget(widths={"none": 1}))
    assert dense / multiply_adds(model, *form, budget_of(NAMED[name], name)) == pytest.approx(ratio, rel=0.01)


def test_the_counts_are_those_of_the_graph():
    """The same by the project's own counter, at a size where every map of ResNet-50 is 1/49 of that at 224 x 224."""
    pytest.importorskip("torchvision")
    with torch.random.fork_rng():
        model = bench_open_model("torchvision:resnet50")(1000).eval()
    trace, budget = read(model, torch.zeros(2, 3, 32, 32)), budget_of(NAMED["resnet50-2x"], "resnet50-2x")
    seen = foresee(model, Regression(), budget, trace)
    assert seen.pruned.macs == multiply_adds("torchvision:resnet50", 1000, 32, budget)
    assert seen.dense.macs == multiply_adds("torchvision:resnet50", 1000, 32, Budget(widths={"none": 1}))
    assert (seen.pruned.macs - 2048 * 1000) * 49 + 2048 * 1000 == multiply_adds("torchvision:resnet50", 1000, 224, budget)
