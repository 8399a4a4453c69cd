from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchbase_plugins.models import vgg

# closed forms: 3x3 kernels between successive widths, two norm parameters a channel, then the classifier
PARAMETERS = {"vgg11": 9_492_042, "vgg13": 9_676_746, "vgg16": 14_987_722, "vgg19": 20_035_018, "vgg19_bias": 20_040_522, "vgg_digits": 139_818,
              "vgg_small": 68_314, "vgg16_gap": 14_719_818}


def built(name: str, *arguments: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(vgg, name)(*arguments).eval()


def test_every_builder_is_offered():
    assert {f.__name__ for f in vgg.bench_models()} == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_shapes(name):
    model = built(name, 10, 1 if name == "vgg_digits" else 3)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert all((c.bias is not None) == (name in ("vgg19_bias", "vgg16_gap")) for c in convolutions)
    assert isinstance(model.get_submodule("features.0"), nn.Conv2d)


@pytest.mark.parametrize(("name", "channels", "size"), [
    ("vgg16", 3, 32), ("vgg16", 1, 8), ("vgg_digits", 1, 8), ("vgg_digits", 3, 32), ("vgg19", 3, 33), ("vgg11", 2, 5)])
def test_images_of_any_size(name, channels, size):
    model = built(name, 7, channels).train()
    assert model(torch.zeros(3, channels, size, size)).shape == (3, 7)


def test_at_32_pixels_it_is_the_authors_network():
    """The last 2x2 map is averaged by AvgPool2d(2), the other pools are plain MaxPool2d(2)."""
    model = built("vgg16", 10)
    layers = [nn.MaxPool2d(2) if isinstance(m, nn.MaxPool2d) else m for m in model.features]
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        theirs = model.classifier(nn.AvgPool2d(2)(nn.Sequential(*layers)(x)).flatten(1))
        assert torch.allclose(model(x), theirs, atol=1e-6)
    assert [type(m).__name__ for m in model.classifier] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]


def test_initial_weights():
    model = built("vgg16", 10)
    for i in (7, 24):  # 64 -> 128, 256 -> 512: fan-out counts
        conv, norm = model.features[i], model.features[i + 1]
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * conv.out_channels)), rel=0.02)
        assert abs(conv.weight.mean().item()) < 1e-3 and (norm.weight == 0.5).all() and (norm.bias == 0).all()
    assert model.classifier[0].weight.std().item() == pytest.approx(0.01, rel=0.02) and (model.classifier[0].bias == 0).all()
    assert (model.classifier[1].weight == 1).all()
    plain = built("vgg16_gap", 10)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in plain.modules()) and plain.features[-2] is plain.features[28] and (plain.features[28].bias == 0).all()
    assert plain.features[17].weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 512)), rel=0.02)
    other = built("vgg19_bias", 10)
    assert other.features[7].weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.02)  # 64 -> 128: fan-in counts
    assert (other.features[7].bias == 0).all() and (other.features[8].weight == 1).all()


def test_initial_weights_follow_the_shape_a_layer_has_now():
    model, conv = built("vgg_digits", 10, 1), nn.Conv2d(50, 200, 3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv.weight = nn.Parameter(conv.weight[:150].detach())  # sliced, whatever the attributes say
        norm = nn.BatchNorm2d(150)
        norm.running_mean.fill_(3)
        model.init_weights(conv)
        model.init_weights(norm)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 150)), rel=0.02) and (conv.bias == 0).all()
    assert (norm.weight == 0.5).all() and (norm.running_mean == 0).all()


def test_fresh_weights_are_the_seeds():
    a, b = built("vgg_digits", 10, 1).state_dict(), built("vgg_digits", 10, 1).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
