"""The controls: random channels at the same widths, and one ratio at the same multiply-adds."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.prune import prune
from benchbase.values.budget import Budget
from benchbase_plugins.methods.l1_norm import L1Norm
from benchbase_plugins.methods.random_blocks import RandomBlocks
from benchbase_plugins.methods.random_channels import Random
from benchbase_plugins.methods.uniform import Uniform
from benchbase_plugins.models.resnet import resnet_digits
from benchbase_plugins.models.vgg import vgg_digits

UNEVEN = Budget(ratios={"features.0": 0.75, "features.3": 0.5, "features.1[07]": 0.25})


@pytest.fixture(scope="module")
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return vgg_digits(10, 1).eval()


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return resnet_digits(10, 1).eval()


def pruned(model, method, budget, seed=0):
    return prune(model, method, budget, example=torch.zeros(2, 1, 8, 8), seed=seed)


def test_random_has_the_widths_of_what_it_controls_and_other_channels(model):
    ours, theirs = pruned(model, Random(), UNEVEN), pruned(model, L1Norm(), UNEVEN)
    assert ours.architecture.digest == theirs.architecture.digest
    assert {k: len(v) for k, v in ours.selection.kept.items()} == {k: len(v) for k, v in theirs.selection.kept.items()}
    assert ours.selection.kept != theirs.selection.kept


def test_random_reads_as_many_channels_as_what_it_controls():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = resnet_digits(10, 1).eval()
    budget = Budget(ratio=0.5, reads={"layer1.1.conv1": 7, "layer3.0.conv1": 20})
    ours = pruned(model, Random(), budget)
    assert {k: len(v) for k, v in ours.selection.reads.items()} == budget.reads and ours.report["equivalence"] < 1e-5
    assert ours.model.layer3[0].conv1.weight.shape[1] == 20 and pruned(model, Random(), budget, seed=1).selection.reads != ours.selection.reads
    with pytest.raises(BenchError, match="does not choose what a layer reads"):
        pruned(model, Uniform(), budget)


@pytest.mark.parametrize("method", [Random(), Uniform()])
def test_the_draw_is_the_seeds_and_blind_to_weights(model, method):
    first = pruned(model, method, 0.5, seed=3)
    other = vgg_digits(10, 1).eval()
    before = torch.get_rng_state()
    assert pruned(other, method, 0.5, seed=3).selection == first.selection
    assert torch.equal(torch.get_rng_state(), before)
    assert pruned(model, method, 0.5, seed=4).selection != first.selection


def test_every_channel_is_as_likely(model):
    counts = torch.zeros(32)
    for seed in range(60):
        net = type("Net", (), {"groups": [type("G", (), {"name": "g", "width": 32})], "generator": torch.Generator().manual_seed(seed)})
        kept = Random().select(net, None, Budget(ratio=0.75)).kept["g"]
        assert len(kept) == 8 and list(kept) == sorted(set(kept))
        counts[list(kept)] += 1
    # 60 draws of 8 in 32: 15 expected each, variance 60/4 * 3/4
    assert counts.sum() == 480 and ((counts - 15).square().sum() / (60 * 3 / 16)).item() == pytest.approx(32, abs=24)


def test_uniform_is_one_ratio_at_the_same_multiply_adds(model):
    asked, ours = pruned(model, L1Norm(), UNEVEN), pruned(model, Uniform(), UNEVEN)
    left = {k: len(v) for k, v in ours.selection.kept.items()}
    widths = dict(zip(left, (32, 32, 64, 64, 64, 64), strict=True))
    assert len(set(left.values())) == 2 and all(abs(left[k] / widths[k] - left["features.0"] / 32) < 1 / 32 for k in left)
    dense = asked.report["macs"]["dense"]
    assert abs(ours.report["macs"]["pruned"] - asked.report["macs"]["pruned"]) / dense < 0.02
    assert ours.architecture.digest != asked.architecture.digest


def test_uniform_of_a_plain_ratio_is_the_same_architecture(model):
    for ratio in (0.3, 0.5):
        assert pruned(model, Uniform(), ratio).architecture.digest == pruned(model, L1Norm(), ratio).architecture.digest


def test_random_blocks_are_as_many_as_asked_and_others_with_another_seed(resnet):
    paths = [f"layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1)]
    first = {pruned(resnet, RandomBlocks(), Budget(ratio=0.1), seed=s).architecture.dropped for s in range(6)}
    assert {len(gone) for gone in first} == {1} and len(first) > 1 and {*sum(first, ())} <= {*paths}, "floor(6 x 0.9) = 5 stay"
    three = pruned(resnet, RandomBlocks(), Budget(ratio=0.5))
    assert len(three.architecture.dropped) == 3 and three.report["achieved"]["blocks"] == 0.5 and three.report["equivalence"] < 1e-5
    assert list(three.architecture.dropped) == [path for path in paths if path in three.architecture.dropped], "in network order"
    assert pruned(resnet, RandomBlocks(), Budget(dropped=("layer2.0",))).architecture.dropped == ("layer2.0",)


@pytest.mark.parametrize("budget", [Budget(macs=0.5), Budget(params=0.5)])
def test_random_blocks_count_blocks(resnet, budget):
    with pytest.raises(BenchError, match="counts blocks") as refused:
        pruned(resnet, RandomBlocks(), budget)
    assert refused.value.kind == "not_applicable"
