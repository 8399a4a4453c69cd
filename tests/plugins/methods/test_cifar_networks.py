"""The networks of the CIFAR tables through a whole prune: what is cut computes what the zeroed network does, is rebuilt from its
architecture alone and comes back from its folder."""
from __future__ import annotations

import pytest
import torch
from golden import traced
from torch import nn

from benchbase import Architecture, build
from benchbase.nets.folder import read_folder, write_folder
from benchbase.nets.prune import Pruned, prune_network
from benchbase.values.budget import Budget
from benchbase_plugins.methods.l1_norm import L1Norm
from benchbase_plugins.methods.network_slimming import NetworkSlimming
from benchbase_plugins.methods.random_channels import Random
from benchbase_plugins.methods.thinet import ThiNet
from benchbase_plugins.methods.uniform import Uniform
from benchbase_plugins.models import densenet, preresnet, resnet, vgg

BUILDERS = {f.__name__.replace("_", "-"): f for module in (vgg, resnet, preresnet, densenet) for f in module.bench_models()}
ALIKE = {"vgg11", "vgg13", "resnet32", "resnet44", "resnet110", "preresnet56", "preresnet110", "densenet100", "vgg-digits", "resnet-digits"}  # other depths
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def seasoned(name: str) -> nn.Module:
    """The network with norms as after a training: scales of all sizes, shifts and statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = BUILDERS[name](10).eval()
        for norm in (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
            nn.init.uniform_(norm.weight, 0.1, 1)
            nn.init.normal_(norm.bias, 0, 0.2)
            nn.init.normal_(norm.running_mean, 0, 0.2)
    return model


def cut(name, method, budget) -> Pruned:
    dense = Architecture(name, 10, (3, 32, 32))
    batches = [(IMAGES, torch.zeros(4, dtype=torch.int64))]
    return prune_network(seasoned(name), method, budget, batches, IMAGES, architecture=dense, trace=traced(BUILDERS[name]))


@pytest.mark.parametrize("name", [n for n in BUILDERS if n not in ALIKE])
def test_slimmed_everywhere(name, tmp_path):
    normed = any(isinstance(m, nn.BatchNorm2d) for m in BUILDERS[name](10).modules())  # without norms there is nothing to slim: l1-norm instead
    pruned = cut(name, NetworkSlimming() if normed else L1Norm(), Budget(ratio=0.4))
    logits = pruned.model(IMAGES).detach()
    assert pruned.report["equivalence"] <= 1e-5 * max(1, float(logits.abs().max()))
    assert pruned.report["achieved"]["channels"] == pytest.approx(0.4, abs=0.01) and pruned.report["params"]["pruned"] < 0.8 * pruned.report["params"]["dense"]
    fresh = build(pruned.architecture)
    assert {k: v.shape for k, v in fresh.state_dict().items()} == {k: v.shape for k, v in pruned.model.state_dict().items()}
    assert fresh.train()(IMAGES).isfinite().all()
    again = read_folder(write_folder(pruned, tmp_path / "out"), open_model=lambda a: BUILDERS[a.model](a.num_classes, in_channels=a.shape[0]))
    assert torch.equal(again.model(IMAGES), logits) and again.architecture.digest == pruned.architecture.digest


@pytest.mark.parametrize(("name", "scope"), [("preresnet20", ""), ("preresnet20", "all"), ("densenet40", ""), ("densenet-bc-100", "")])
@pytest.mark.parametrize("method", [L1Norm(), Random(), Uniform(), ThiNet(images=4, positions=4)], ids=lambda m: m.name)
def test_other_methods_where_blocks_pick_from_a_stream(method, name, scope):
    """In their default scope what lies between the convolutions of a block goes, and on DenseNet-40, which has none, what layers pick."""
    pruned = cut(name, method, Budget(ratio=0.5, scope=scope))
    assert pruned.report["equivalence"] <= 1e-5 * max(1, float(pruned.model(IMAGES).detach().abs().max()))
    names, everything = list(pruned.selection.kept), [g.name for g in traced(BUILDERS[name]).groups]
    inside = [n for n in everything if n.endswith("conv1")]
    assert names == (everything if scope or not inside else inside) and len(inside) == {"preresnet20": 9, "densenet40": 0, "densenet-bc-100": 48}[name]
    assert set(pruned.architecture.selects) == {n for n in names if n.endswith("select")}


def test_l1_norm_scores_what_a_gather_picks_by_the_kernels_that_read_it():
    model = seasoned("densenet40")
    pruned = cut("densenet40", L1Norm(), Budget(ratio=0.5))
    sizes = model.dense2[3].conv1.weight.detach().abs().sum((0, 2, 3))
    assert pruned.selection.kept["dense2.3.select"] == tuple(sorted(sizes.topk(len(sizes) // 2).indices.tolist()))
