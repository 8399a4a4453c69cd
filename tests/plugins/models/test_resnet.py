from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase_plugins.models import resnet
from benchbase_plugins.models._resnet import OptionA

PARAMETERS = {"resnet20": 269_722, "resnet32": 464_154, "resnet44": 658_586, "resnet56": 853_018, "resnet110": 1_727_962, "resnet_digits": 172_218,
              "resnet_small": 75_290}
DEPTHS = {"resnet_digits": 14, "resnet_small": 8}


def built(name: str, *arguments: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(resnet, name)(*arguments).eval()


def test_every_builder_is_offered():
    assert {f.__name__ for f in resnet.bench_models()} == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_depth_and_names(name):
    model = built(name, 10, 1 if name == "resnet_digits" else 3)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    weighted = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == (DEPTHS.get(name) or int(name.removeprefix("resnet")))
    assert weighted[:3] == ["conv1", "layer1.0.conv1", "layer1.0.conv2"] and weighted[-1] == "fc"


@pytest.mark.parametrize(("name", "channels", "size"), [
    ("resnet20", 3, 32), ("resnet20", 1, 8), ("resnet_digits", 1, 8), ("resnet_digits", 3, 32), ("resnet_digits", 3, 7), ("resnet_small", 3, 32), ("resnet_small", 1, 5)])
def test_images_of_any_size(name, channels, size):
    model = built(name, 7, channels).train()
    assert model(torch.zeros(3, channels, size, size)).shape == (3, 7)


def test_the_small_one_has_half_the_resolution():
    sizes = []
    model = built("resnet_small", 10)
    for stage in (model.layer1, model.layer2, model.layer3):
        stage.register_forward_hook(lambda module, inputs, out: sizes.append(tuple(out.shape[1:])))
    model(torch.zeros(1, 3, 32, 32))
    assert sizes == [(16, 16, 16), (32, 8, 8), (64, 4, 4)]


def test_shortcut_is_means_then_zeros_with_a_gradient():
    x = torch.randn(2, 3, 6, 6, requires_grad=True)
    y = OptionA(5)(x)
    assert y.shape == (2, 8, 3, 3) and (y[:, 3:] == 0).all()
    assert torch.allclose(y[:, :3], x.reshape(2, 3, 3, 2, 3, 2).mean((3, 5)), atol=1e-6)
    y.sum().backward()
    assert torch.allclose(x.grad, torch.full_like(x, 0.25))


def test_a_gradient_reaches_the_first_stage_through_the_shortcuts_alone():
    model = built("resnet20", 10)
    with torch.no_grad():  # silence every residual branch behind the first stage
        for stage in (model.layer2, model.layer3):
            for block in stage:
                block.bn2.weight.zero_()
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert model.conv1.weight.grad.abs().max() > 0


def test_a_whole_network_against_functions():
    """ResNet-20 written out from its state_dict with the authors' AvgPool2d(2, 2), concatenated zeros and AvgPool2d(8)."""
    model = built("resnet20", 10)
    w = model.state_dict()

    def conv_norm(x, conv, norm, stride=1):
        x = functional.conv2d(x, w[f"{conv}.weight"], stride=stride, padding=1)
        return functional.batch_norm(x, w[f"{norm}.running_mean"], w[f"{norm}.running_var"], w[f"{norm}.weight"], w[f"{norm}.bias"])

    image = torch.randn(2, 3, 32, 32)
    x = conv_norm(image, "conv1", "bn1").relu()
    for stage in (1, 2, 3):
        for k in range(3):
            name, stride = f"layer{stage}.{k}", 2 if stage > 1 and k == 0 else 1
            out = conv_norm(conv_norm(x, f"{name}.conv1", f"{name}.bn1", stride).relu(), f"{name}.conv2", f"{name}.bn2")
            if stride == 2:
                x = functional.avg_pool2d(x, 2, 2)
                x = torch.cat([x, torch.zeros_like(x)], 1)
            x = (out + x).relu()
    logits = functional.linear(functional.avg_pool2d(x, 8).flatten(1), w["fc.weight"], w["fc.bias"])
    with torch.no_grad():
        assert torch.allclose(model(image), logits, atol=1e-5)


def test_initial_weights():
    model = built("resnet110", 10)
    for name in ("layer2.5.conv1", "layer3.9.conv2"):
        conv = model.get_submodule(name)
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * conv.out_channels)), rel=0.03)
    assert all((m.weight == 1).all() and (m.bias == 0).all() for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert model.fc.weight.abs().max() <= 1 / 8 and model.fc.weight.std().item() == pytest.approx(1 / 8 / math.sqrt(3), rel=0.1)


def test_initial_weights_follow_the_shape_a_layer_has_now():
    model, conv, fc = built("resnet_digits", 10, 1), nn.Conv2d(50, 200, 3, bias=False), nn.Linear(400, 200)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv.weight = nn.Parameter(conv.weight[:150].detach())
        fc.weight = nn.Parameter(fc.weight[:, :100].detach())
        for module in (conv, fc):
            model.init_weights(module)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 150)), rel=0.02)
    assert 0.095 < fc.weight.abs().max() <= 0.1  # U(-1/sqrt(fan in), 1/sqrt(fan in)) of the fan-in that is left
