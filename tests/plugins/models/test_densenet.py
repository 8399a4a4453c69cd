from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase import ChannelSelect
from benchbase_plugins.models import densenet
from benchbase_plugins.models._densenet import DenseNet

PARAMETERS = {"densenet40": 1_059_298, "densenet100": 4_068_490, "densenet_bc_100": 769_162}
LAYERS = {"densenet40": 12, "densenet100": 32, "densenet_bc_100": 16}
LAST = {"densenet40": 24 + 36 * 12, "densenet100": 678, "densenet_bc_100": 342}


def built(name: str, *arguments: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(densenet, name)(*arguments).eval()


def test_every_builder_is_offered():
    assert {f.__name__ for f in densenet.bench_models()} == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_depth_and_names(name):
    model = built(name, 10)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    weighted = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == int(name[-3:].strip("t_")) and weighted[:2] == ["conv1", "dense1.0.conv1"] and weighted[-1] == "fc"
    assert [len(block) for block in (model.dense1, model.dense2, model.dense3)] == [LAYERS[name]] * 3
    assert model.fc.in_features == LAST[name] and all(conv.weight.shape[0] == 12 for n, conv in model.named_modules() if n.endswith("dense2.3.conv2"))
    norms = [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    gathers = [n for n, m in model.named_modules() if isinstance(m, ChannelSelect)]
    assert gathers == [f"{n.rpartition('bn')[0]}select" for n in norms if n.endswith(("bn1", "bn"))] and "trans2.select" in gathers


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 8), (3, 7)])
def test_images_of_any_size(channels, size):
    for name in ("densenet40", "densenet_bc_100"):
        assert built(name, 7, channels).train()(torch.zeros(3, channels, size, size)).shape == (3, 7)


@pytest.mark.parametrize("form", [{"compression": 1}, {"compression": 2, "bottleneck": True}], ids=["plain", "bc"])
def test_a_whole_network_against_functions(form):
    """Written out from the state_dict of a small network: every layer reads all that came before it in its block."""
    torch.manual_seed(1)
    model = DenseNet(3, 10, growth=4, **form).eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        for t in (norm.weight.data, norm.bias.data, norm.running_mean):
            t.normal_()
        norm.running_var.uniform_(0.5, 2)
    w = model.state_dict()

    def normed(x, name):
        return functional.batch_norm(x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"]).relu()

    def conv(x, name):
        kernel = w[f"{name}.weight"]
        return functional.conv2d(x, kernel, padding=kernel.shape[2] // 2)

    image = torch.randn(2, 3, 32, 32)
    x = conv(image, "conv1")
    for stage in (1, 2, 3):
        parts = [x]
        for k in range(3):
            name = f"dense{stage}.{k}"
            out = conv(normed(torch.cat(parts, 1), f"{name}.bn1"), f"{name}.conv1")
            parts.append(conv(normed(out, f"{name}.bn2"), f"{name}.conv2") if "bottleneck" in form else out)
        x = torch.cat(parts, 1)
        if stage < 3:
            x = functional.avg_pool2d(conv(normed(x, f"trans{stage}.bn1"), f"trans{stage}.conv1"), 2)
    assert x.shape[1] == ((8 + 12 + 12 + 12) if form["compression"] == 1 else ((8 + 12) // 2 + 12) // 2 + 12)
    logits = functional.linear(functional.avg_pool2d(normed(x, "bn"), 8).flatten(1), w["fc.weight"], w["fc.bias"])
    with torch.no_grad():
        assert torch.allclose(model(image), logits, atol=1e-4)


@pytest.mark.parametrize(("name", "gamma"), [("densenet40", 0.5), ("densenet100", 1), ("densenet_bc_100", 1)])
def test_initial_weights(name, gamma):
    model = built(name, 10)
    spread = torch.cat([m.weight.flatten() * math.sqrt(m.kernel_size[0] ** 2 * m.out_channels / 2) for m in model.modules() if isinstance(m, nn.Conv2d)])
    assert spread.std().item() == pytest.approx(1, rel=0.01)
    assert all((m.weight == gamma).all() and (m.bias == 0).all() for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert model.fc.weight.abs().max() <= 1 / math.sqrt(model.fc.in_features)
