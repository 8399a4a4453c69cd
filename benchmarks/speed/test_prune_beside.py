"""Reading a network and cutting half of every group by L1-norm, beside Torch-Pruning doing the same, in turn and in one process."""
from __future__ import annotations

import statistics

import pytest
import torch
from torch import nn

from benchbase import prune

torchvision = pytest.importorskip("torchvision")
torch_pruning = pytest.importorskip("torch_pruning")
NETWORKS = ("vgg16_bn", "resnet50", "densenet121")


def theirs(model: nn.Module, x: torch.Tensor) -> None:
    """Its dependency graph, its importance, its pruner; the classifier left whole."""
    last = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
    pruner = torch_pruning.pruner.BasePruner(model, x, importance=torch_pruning.importance.MagnitudeImportance(p=1), pruning_ratio=0.5,
                                             ignored_layers=[last])
    pruner.step()


@pytest.mark.parametrize("name", NETWORKS)
def test_seconds_to_cut_half_of_a_network(name, benchmark, seconds):
    """Ours also checks that the zeroed and the sliced network agree; theirs cuts in place, ours a copy."""
    torch.set_num_threads(1)
    x = torch.randn(1, 3, 224, 224)
    networks = [getattr(torchvision.models, name)().eval() for _ in range(6)]
    rounds = [(seconds(lambda: prune(ours, "l1-norm", 0.5, data=[(x, torch.zeros(1).long())]), 1), seconds(lambda: theirs(own, x), 1))
              for ours, own in zip(networks[:3], networks[3:], strict=True)]
    benchmark.pedantic(lambda: None)
    ratios = sorted(a / b for a, b in rounds)
    benchmark.extra_info.update(ours=round(min(a for a, _ in rounds), 2), theirs=round(min(b for _, b in rounds), 2),
                                ratio=round(statistics.median(ratios), 2), least=round(ratios[0], 2), most=round(ratios[-1], 2))
    print(name, benchmark.extra_info)
