from __future__ import annotations

import sys

import pytest
import torch

from benchbase.errors import BenchError
from benchbase_plugins.models.libraries import bench_open_model


def test_other_names_are_not_ours():
    assert bench_open_model("vgg16") is None and bench_open_model("elsewhere:resnet18") is None


@pytest.mark.parametrize("channels", [3, 1])
def test_torchvision(channels):
    pytest.importorskip("torchvision")
    model = bench_open_model("torchvision:resnet18")(7, in_channels=channels)
    assert model.conv1.weight.shape == (64, channels, 7, 7) and model.conv1.bias is None and model.conv1.stride == (2, 2)
    assert model.conv1.weight.std().item() == pytest.approx((2 / (64 * 49)) ** 0.5, rel=0.1)  # He by fan-out, like all its others
    assert model.eval()(torch.zeros(2, channels, 64, 64)).shape == (2, 7)
    assert sum(p.numel() for p in model.parameters()) == 11_176_512 + 512 * 7 + 7 - 64 * 49 * (3 - channels)


def test_torchvision_with_auxiliary_heads_warns_of_nothing(recwarn):
    pytest.importorskip("torchvision")
    with torch.device("meta"):
        model = bench_open_model("torchvision:googlenet")(5)
    assert model.fc.out_features == 5 and model.aux2.fc2.out_features == 5 and not recwarn.list


def test_timm():
    pytest.importorskip("timm")
    model = bench_open_model("timm:resnet10t")(7, in_channels=1).eval()
    assert model(torch.zeros(2, 1, 64, 64)).shape == (2, 7)


def test_a_network_made_for_one_size_is_made_for_another():
    pytest.importorskip("timm")
    build, x = bench_open_model("timm:deit_tiny_patch16_224"), torch.randn(2, 3, 64, 64)
    with torch.device("meta"):
        model, own = build(7, image_size=(64, 64)), build(7, image_size=(224, 224))
    assert model.pos_embed.shape == (1, 1 + 16, 192) and model(x.to("meta")).shape == (2, 7)
    assert own.pos_embed.shape == (1, 1 + 196, 192) == build(7).pos_embed.shape
    assert sum(p.numel() for p in own.parameters()) - sum(p.numel() for p in model.parameters()) == 180 * 192
    conv = bench_open_model("timm:resnet10t")(7, image_size=(64, 64)).eval()  # takes images of any size
    assert conv(x).shape == (2, 7)


def test_a_size_that_a_network_cannot_be_made_for():
    pytest.importorskip("timm")
    with pytest.raises(BenchError, match="does not take images of 40 x 40") as caught:
        bench_open_model("timm:xcit_nano_12_p16_224")(7, image_size=(40, 40))
    assert "224 x 224" in caught.value.todo


@pytest.mark.parametrize(("name", "near"), [("torchvision:resnet81", "torchvision:resnet18"), ("timm:resnet19", "timm:resnet1")])
def test_unknown_names_have_near_misses(name, near):
    pytest.importorskip(name.partition(":")[0])
    with pytest.raises(BenchError) as caught:
        bench_open_model(name)
    assert near in caught.value.todo and name.partition(":")[2] in caught.value.what


def test_trained_weights_are_refused():
    pytest.importorskip("timm")
    with pytest.raises(BenchError, match="timm:resnet50$"):
        bench_open_model("timm:resnet50.a1_in1k")


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_not_there(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BenchError, match=f"pip install {library}"):
        bench_open_model(f"{library}:resnet18")
