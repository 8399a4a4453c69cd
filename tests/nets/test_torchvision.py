"""Nine networks written by others: half of every group gone, zeroed and sliced agree, training goes on, multiply-adds are torch's."""
from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from benchbase.nets.cost import cost
from benchbase.nets.graph import read
from benchbase.nets.net import private_copy
from benchbase.nets.surgery import slice_, zero_

# network -> image size, groups found, most that may be left of the multiply-adds at half of every group
NETWORKS = {"resnet18": (64, 12, 0.30), "resnet50": (64, 37, 0.30), "vgg16_bn": (64, 15, 0.30), "densenet121": (64, 120, 0.30),
            "mobilenet_v2": (64, 25, 0.35), "googlenet": (128, 61, 0.30), "shufflenet_v2_x1_0": (64, 19, 0.50), "regnet_y_400mf": (64, 53, 0.30),
            "convnext_tiny": (64, 18, 0.55)}


def alive(name: str) -> nn.Module:
    """The network with norms, scales and biases that let every branch be felt."""
    torch.manual_seed(0)
    own = {"init_weights": True} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, num_classes=10, **own).eval()
    with torch.no_grad():
        for key, t in model.state_dict().items():
            if key.endswith("layer_scale"):
                t.uniform_(0.5, 1.5)
            elif t.ndim == 1:
                t.uniform_(0.5, 1.5) if key.endswith(("weight", "running_var")) else t.normal_(0, 0.2)
    return model


def leaves(output) -> list[torch.Tensor]:
    return [t for t in pytree.tree_leaves(output) if isinstance(t, torch.Tensor)]


@pytest.mark.parametrize("name", NETWORKS)
def test_half_of_every_group(name):
    size, groups, most = NETWORKS[name]
    model, x = alive(name), torch.randn(2, 3, size, size)
    trace = read(model, x)
    kept = {g.name: sorted(torch.randperm(g.width)[:g.width - g.width // 2].tolist()) for g in trace.groups}
    zeroed, sliced = private_copy(model), private_copy(model)
    for g in trace.groups:
        zero_(zeroed, g, sorted(set(range(g.width)) - set(kept[g.name])))
    slice_(sliced, trace.groups, kept)
    with torch.no_grad():
        for a, b in zip(leaves(zeroed(x)), leaves(sliced(x)), strict=True):
            assert float((a - b).abs().max()) < 1e-5 * float(a.abs().max()) and a.std() > 0
    dense, small = cost(trace, dict(model.named_parameters())), cost(trace, dict(sliced.named_parameters()))
    for net, count in ((model, dense), (sliced, small)):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            net(x[:1])
        assert counter.get_total_flops() == 2 * count.macs
    assert small.macs / dense.macs < most and len(trace.groups) >= groups
    optimiser = torch.optim.SGD(sliced.train().parameters(), 0.01)
    sum(t.square().mean() for t in leaves(sliced(x))).backward()
    assert all(p.grad is not None for p in sliced.parameters())
    optimiser.step()
