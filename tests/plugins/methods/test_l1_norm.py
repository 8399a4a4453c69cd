"""l1-norm against what the authors' own scripts keep, and against the definition."""
from __future__ import annotations

import pytest
import torch
import yaml
from golden import EXAMPLE, conv_shapes, decided, golden, traced, weighted
from torch import nn

from benchbase.nets.prune import prune, prune_network
from benchbase.values.budget import budget_of
from benchbase_plugins.budgets import bench_budgets
from benchbase_plugins.methods.l1_norm import L1Norm, largest
from benchbase_plugins.models.resnet import resnet56, resnet110
from benchbase_plugins.models.vgg import vgg16

MODELS = {"vgg16": vgg16, "resnet56": resnet56, "resnet110": resnet110}
GOLDEN = golden("l1norm")
NAMED = {name: data for path in bench_budgets() for name, data in yaml.safe_load(path.read_text()).items()}
EPOCHS = {"vgg16-a": 243, "resnet56-a": 178, "resnet56-b": 220, "resnet110-a": 190, "resnet110-b": 260}  # Scratch-B in the paper


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("name", GOLDEN)
def test_the_authors_decisions(name, seed):
    theirs, build = GOLDEN[name], MODELS[name.partition("-")[0]]
    model = weighted(build(10), seed)
    pruned = prune_network(model, L1Norm(), budget_of(NAMED[name], name), None, EXAMPLE, trace=traced(build))
    suffix = "" if name.startswith("vgg") else ".conv1"
    layers = [n for n, m in model.named_modules() if isinstance(m, nn.Conv2d) and n.endswith(suffix) and n != "conv1"]
    kept = {n: list(pruned.selection.kept[n]) for n in layers}
    assert kept == dict(zip(layers, map(decided, theirs["kept"][str(seed)]), strict=True))
    assert sum(p.numel() for p in pruned.model.parameters()) == theirs["params"] == pruned.report["params"]["pruned"]
    shapes = [list(m.weight.shape) for m in pruned.model.modules() if isinstance(m, nn.Conv2d)]
    assert shapes == conv_shapes(theirs["conv_shapes"])
    macs = pruned.report["macs"]
    assert int(160 * macs["dense"] / macs["pruned"]) == EPOCHS[name]


def test_of_equal_scores_the_later_stays():
    assert largest(torch.tensor([2.0, 1.0, 1.0, 3.0, 1.0]), 3) == (0, 3, 4)
    assert largest(torch.tensor([1.0, 1.0, 1.0]), 2) == (1, 2) and largest(torch.ones(4), 4) == (0, 1, 2, 3)


def test_score_is_the_sum_of_absolute_weights_of_the_filter():
    model = nn.Sequential(nn.Conv2d(1, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.0, 0, 0, 2.1], [1, -1, 1, -1], [0.5, 0.5, 0.5, 0.5], [-3, 0, 0, 0]]).reshape(4, 1, 2, 2))
        model[3].weight.copy_(torch.tensor([1.0, -5, 2, -4, 3])[:, None].expand(5, 16))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    pruned = prune(model, L1Norm(), 0.5, example=torch.zeros(2, 1, 3, 3))
    assert {k: list(v) for k, v in pruned.selection.kept.items()} == {"0": [1, 3], "3": [1, 3]}
    assert torch.equal(pruned.model[0].weight, before["0.weight"][[1, 3]])
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
