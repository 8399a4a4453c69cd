"""How much faster pruned networks are than dense ones, in turn in one run: halved, and at an awkward share with and without rounded widths."""
from __future__ import annotations

import shutil
from dataclasses import asdict

import pytest
import torch

from benchbase.nets.prune import prune
from benchbase.training.latency import latency
from benchbase.training.machine import machine_of
from benchbase.values.budget import parse_budget
from benchbase_plugins.methods.l1_norm import L1Norm
from benchbase_plugins.models.resnet import resnet56
from benchbase_plugins.models.vgg import vgg16

SHAPE, PAIRS = (3, 32, 32), 15
MODES = ("eager", pytest.param("compiled", marks=pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")))


@pytest.fixture(scope="module", params=[vgg16, resnet56], ids=lambda make: make.__name__)
def network(request):
    """A network's name, the dense network, and pruned(budget), each cut once."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dense, made = request.param(10).eval(), {}

    def pruned(text: str) -> torch.nn.Module:
        if text not in made:
            made[text] = prune(dense, L1Norm(), parse_budget(text), example=torch.randn(2, *SHAPE)).model
        return made[text]
    return request.param.__name__, dense, pruned


def measured(benchmark, what: str, first, second, batch: int, mode: str):
    """The ratio second / first, told and kept."""
    one = benchmark.pedantic(lambda: latency(first, second, SHAPE, machine_of(), batch, mode, PAIRS), rounds=1)
    told = one.to_json()
    benchmark.extra_info |= {"ratio": asdict(one.ratio), "ms": [told[name]["median"] for name in ("dense_ms", "pruned_ms")]}
    print(f"{what}, batch {batch}, {mode}: {told['dense_ms']['median']:.2f} and {told['pruned_ms']['median']:.2f} ms, "
          f"ratio {one.ratio.median:.3f} [{one.ratio.low:.3f}, {one.ratio.high:.3f}]")
    return one.ratio


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("mode", MODES)
def test_half_of_the_channels_is_faster(network, mode, batch, benchmark):
    name, dense, pruned = network
    ratio = measured(benchmark, f"{name} 0.5 / dense", dense, pruned("0.5"), batch, mode)
    assert ratio.median < 1 or batch == 1  # at one image a ResNet-56 is a hundred and more calls, whatever their widths


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("text", ["0.37", "0.37[round_to=8]"])
def test_an_awkward_share_is_faster(network, text, batch, benchmark):
    name, dense, pruned = network
    ratio = measured(benchmark, f"{name} {text} / dense", dense, pruned(text), batch, "eager")
    assert ratio.median < 1 or batch == 1


@pytest.mark.parametrize("batch", [1, 64])
def test_rounded_beside_not_rounded(network, batch, benchmark):
    """0.37 leaves 40, 80, 161 and 322 channels of vgg16, rounded 40, 80, 160 and 320; of resnet56 10, 20 and 40, rounded 8, 24 and 40."""
    name, _, pruned = network
    measured(benchmark, f"{name} 0.37[round_to=8] / 0.37", pruned("0.37"), pruned("0.37[round_to=8]"), batch, "eager")
