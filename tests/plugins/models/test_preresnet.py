from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase import ChannelSelect
from benchbase_plugins.models import preresnet
from benchbase_plugins.models._preresnet import Bottleneck, PreResNet

# weights of convolutions and two for each normed channel, counted by hand from the widths; the linear layer has 10 classes
PARAMETERS = {"preresnet20": 272_282, "preresnet56": 855_578, "preresnet110": 1_146_842, "preresnet164": 1_703_258}


def built(name: str, *arguments: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(preresnet, name)(*arguments).eval()


def test_every_builder_is_offered():
    assert {f.__name__ for f in preresnet.bench_models()} == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_depth_and_names(name):
    model = built(name, 10)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name] == expected(name)
    weighted = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and not n.endswith("shortcut")]
    assert len(weighted) == int(name.removeprefix("preresnet")) and weighted[:3] == ["conv1", "layer1.0.conv1", "layer1.0.conv2"]
    norms = [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    gathers = [n for n, m in model.named_modules() if isinstance(m, ChannelSelect)]
    assert gathers == [f"{n.rpartition('bn')[0]}select" for n in norms if n.endswith(("bn1", "bn"))]


def expected(name: str) -> int:
    """The count by formula: n blocks a stage, from (16, 16 e, 32 e) channels to e times 16, 32 and 64."""
    depth = int(name.removeprefix("preresnet"))
    deep = depth >= 110
    e, n = (4, (depth - 2) // 9) if deep else (1, (depth - 2) // 6)
    total, channels = 3 * 16 * 9, 16
    for width in (16, 32, 64):
        for k in range(n):
            inner = channels * width + 9 * width * width + width * e * width + 4 * width if deep else 9 * channels * width + 9 * width * width + 2 * width
            total += 2 * channels + inner + (channels * width * e if k == 0 and channels != width * e else 0)
            channels = width * e
    return total + 2 * channels + 10 * channels + 10


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 8), (3, 7)])
@pytest.mark.parametrize("name", ["preresnet20", "preresnet110"])
def test_images_of_any_size(name, channels, size):
    assert built(name, 7, channels).train()(torch.zeros(3, channels, size, size)).shape == (3, 7)


@pytest.mark.parametrize("deep", [False, True])
def test_a_whole_network_against_functions(deep):
    """Written out from the state_dict: the shortcut takes the raw stream, every convolution but the first comes behind norm and ReLU."""
    torch.manual_seed(1)
    model = (PreResNet(Bottleneck, 2, 10) if deep else built("preresnet20", 10)).eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        for t in (norm.weight.data, norm.bias.data, norm.running_mean):
            t.normal_()
        norm.running_var.uniform_(0.5, 2)
    w = model.state_dict()

    def normed(x, name):
        return functional.batch_norm(x, w[f"{name}.running_mean"], w[f"{name}.running_var"], w[f"{name}.weight"], w[f"{name}.bias"]).relu()

    def conv(x, name, stride=1):
        kernel = w[f"{name}.weight"]
        return functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)

    image = torch.randn(2, 3, 32, 32)
    x = conv(image, "conv1")
    for stage in (1, 2, 3):
        for k in range(2 if deep else 3):
            name, stride = f"layer{stage}.{k}", 2 if stage > 1 and k == 0 else 1
            out = conv(normed(x, f"{name}.bn1"), f"{name}.conv1", 1 if deep else stride)
            out = conv(normed(out, f"{name}.bn2"), f"{name}.conv2", stride if deep else 1)
            if deep:
                out = conv(normed(out, f"{name}.bn3"), f"{name}.conv3")
            x = out + (conv(x, f"{name}.shortcut", stride) if f"{name}.shortcut.weight" in w else x)
    logits = functional.linear(functional.avg_pool2d(normed(x, "bn"), 8).flatten(1), w["fc.weight"], w["fc.bias"])
    with torch.no_grad():
        assert torch.allclose(model(image), logits, atol=1e-4)


def test_a_block_reads_what_its_gather_picks_and_the_stream_stays():
    model, x = built("preresnet20", 10), torch.randn(2, 3, 32, 32)
    block = model.layer1[1]
    seen = {}
    block.bn1.register_forward_pre_hook(lambda module, given: seen.update(picked=given[0]))
    block.register_forward_pre_hook(lambda module, given: seen.update(stream=given[0]))
    block.select.index = torch.tensor([1, 4, 15])
    with pytest.raises(RuntimeError):  # the norm still has all channels
        model(x)
    assert torch.equal(seen["picked"], seen["stream"][:, [1, 4, 15]])


@pytest.mark.parametrize(("name", "gamma"), [("preresnet56", 1), ("preresnet110", 1), ("preresnet164", 0.5)])
def test_initial_weights(name, gamma):
    model = built(name, 10)
    for where in ("layer2.5.conv1", "layer3.3.conv2"):
        conv = model.get_submodule(where)
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (conv.kernel_size[0] ** 2 * conv.out_channels)), rel=0.05)
    assert all((m.weight == gamma).all() and (m.bias == 0).all() for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert model.fc.weight.abs().max() <= 1 / math.sqrt(model.fc.in_features)
