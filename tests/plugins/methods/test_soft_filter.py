"""soft-filter against the definition in numpy: what is zero after an epoch, what comes back, what is kept, whose training is whose."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.flow.cells import identified
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.nets.graph import read
from benchbase.nets.net import Net
from benchbase.plugin.manager import load_plugins
from benchbase.training.callbacks import Chain
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.budget import Budget
from benchbase.values.recipe import Recipe
from benchbase.values.spec import Suite
from benchbase_plugins.methods._soft import ZeroSmallest
from benchbase_plugins.methods.soft_filter import SoftFilter
from benchbase_plugins.models.preresnet import preresnet20


def live(model: nn.Module) -> Net:
    trace = read(model, torch.randn(2, 1, 8, 8))
    return Net(model, trace, torch.Generator(), trace.groups)


def small_filters(weight: torch.Tensor, keep: int) -> list[int]:
    """The filters that the paper zeroes, in float64."""
    norms = np.sqrt((weight.double().numpy().reshape(len(weight), -1) ** 2).sum(1))
    return sorted(np.argsort(norms, kind="stable")[:len(norms) - keep].tolist())


class Watch:
    """Keeps the weights at the end of each epoch."""

    def __init__(self):
        self.seen = []

    def start(self, net):
        pass

    after_backward = after_step = finish = start

    def after_epoch(self, model, epoch):
        self.seen.append({n: p.detach().clone() for n, p in model.named_parameters()})


def trained(made_up, machine, budget, epochs=3):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10), nn.ReLU(), nn.Conv2d(10, 7, 3), nn.ReLU(),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 10))
    before, after, soft = Watch(), Watch(), ZeroSmallest(budget)
    net = live(model)
    soft.start(net)
    train_(model, Recipe(epochs=epochs, batch_size=16, lr=0.1), made_up, Seeds(0), machine, Chain((before, soft, after)), net=net)
    return model, before.seen, after.seen


def test_the_smallest_are_zero_after_each_epoch_and_nothing_else_changes(made_up, machine):
    # 10 x (1 - 0.9) is 1 in decimal arithmetic, int(10 * (1 - 0.9)) is 0; 7 x 0.6 = 4.2 keeps 4
    model, before, after = trained(made_up, machine, Budget(ratios={"0": 0.9, "3": 0.4}))
    for old, new in zip(before, after, strict=True):
        gone = {"0.weight": small_filters(old["0.weight"], 1), "3.weight": small_filters(old["3.weight"], 4)}
        assert len(gone["0.weight"]) == 9 and len(gone["3.weight"]) == 3
        for name, value in old.items():
            expected = value.clone()
            expected[gone.get(name, [])] = 0
            assert torch.equal(new[name], expected), name
    assert float(model[1].bias.detach().abs().min()) > 0


def test_filters_grow_back(made_up, machine):
    _, before, after = trained(made_up, machine, Budget(ratio=0.5), epochs=4)
    zero = [{int(c) for c in (s["0.weight"].flatten(1).abs().sum(1) == 0).nonzero()} for s in after]
    assert all(len(z) == 5 for z in zero) and len(set().union(*zero)) > 5, "the choice never changed"
    for z, later in zip(zero, before[1:], strict=False):
        assert bool((later["0.weight"][sorted(z)].flatten(1).norm(dim=1) > 0).all())


def test_added_channels_are_zeroed_in_every_layer_that_writes_them():
    class Added(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.head = nn.Conv2d(1, 6, 3), nn.Conv2d(1, 6, 3), nn.Conv2d(6, 2, 1)

        def forward(self, x):
            return self.head(torch.relu(self.one(x) + self.two(x)))

    torch.manual_seed(0)
    model = Added()
    soft, first = ZeroSmallest(Budget(ratio=0.5)), small_filters(model.one.weight.detach(), 3)
    soft.start(live(model))
    soft.after_epoch(model, 0)
    for layer in (model.one, model.two):
        assert sorted((layer.weight.flatten(1).abs().sum(1) == 0).nonzero().flatten().tolist()) == first


def test_of_what_a_gather_picks_the_kernels_that_read_it_are_zeroed():
    torch.manual_seed(0)
    model = preresnet20(10, 1)
    soft, conv = ZeroSmallest(Budget(ratios={"layer1.1.select": 0.5})), model.layer1[1].conv1
    gone, before = small_filters(conv.weight.detach().transpose(0, 1), 8), {k: v.clone() for k, v in model.state_dict().items()}
    soft.start(live(model))
    soft.after_epoch(model, 0)
    assert (conv.weight[:, gone] == 0).all() and [k for k, v in model.state_dict().items() if not torch.equal(v, before[k])] == ["layer1.1.conv1.weight"]


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_the_largest_l2_norms_stay(digit_nets, prune_digits, name):
    model = digit_nets[name]
    pruned = prune_digits(name, SoftFilter(), 0.3)
    for layer, kept in pruned.selection.kept.items():
        weight = model.get_parameter(f"{layer}.weight").detach()
        assert sorted(set(range(len(weight))) - set(kept)) == small_filters(weight, len(kept))
    assert pruned.report["equivalence"] < 1e-5 and len(pruned.selection.kept) == 6


def test_a_plain_model_is_no_net():
    with pytest.raises(BenchError, match="channels"):
        ZeroSmallest(Budget(ratio=0.5)).start(nn.Linear(2, 2))


def test_each_budget_is_a_training_of_its_own(tmp_path: Path):
    one, two = (identified(SoftFilter().training(Budget(ratio=r))).identity for r in (0.3, 0.5))
    assert one != two and one == identified(SoftFilter().training(Budget(ratio=0.3, name="another name"))).identity
    suite = Suite(methods=("soft-filter", "l1-norm"), datasets=("synthetic[train=64,test=32]",), budgets=("0.3", "0.5"), protocols=("one-shot", "finetune"),
                  seeds=(0,), recipe={"epochs": 2, "batch_size": 32}, finetune={"epochs": 1})
    done = run_suite(suite, Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu"), load_plugins())
    assert done.exit_code == 0 and not done.failures
    rows = [json.loads(p.read_text()) for p in (tmp_path / "board").rglob("records/**/*.json")]
    bases = {(r["method"]["name"], r["budget"]["name"]): r["digests"] for r in rows}
    assert len({d["plain"] for d in bases.values()}) == 1 and len({d["base"] for d in bases.values()}) == 3
    soft = [r for r in rows if r["method"]["name"] == "soft-filter"]
    assert len(soft) == 4 and all(r["sparse_base"]["nonzero"] < r["unpruned"]["nonzero"] for r in soft)
