"""snip against gates written on every weight, at initialisation, in float64."""
from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.flow.run import plan_suite, run_suite
from benchbase.flow.settings import Settings
from benchbase.plugin.manager import load_plugins
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase.values.record import load_records
from benchbase.values.spec import Suite
from benchbase_plugins.methods.snip import Snip


def gated(model, batches, batch_statistics):
    """|dL/dc| with c = 1 on each convolution weight, of the mean loss over all images."""
    model = copy.deepcopy(model).double().eval()
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d) and batch_statistics:
            m.train()
    names = [f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Conv2d)]
    gates = {n: torch.ones_like(model.get_parameter(n)).requires_grad_() for n in names}
    loss = 0
    for x, y in batches:
        out = functional_call(model, {n: model.get_parameter(n) * c for n, c in gates.items()}, (x.double(),))
        loss = loss + functional.cross_entropy(out, y, reduction="sum")
    slopes = torch.autograd.grad(loss / sum(len(y) for _, y in batches), list(gates.values()))
    return {n: s.abs().numpy() for n, s in zip(names, slopes, strict=True)}


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_scores_are_the_slopes_of_gates(digit_nets, noise, net_of, name, trained):
    net = net_of(digit_nets[name], noise[0][0])
    net.model.double()
    before = {k: v.clone() for k, v in net.model.state_dict().items()}
    scores = Snip(trained=trained).scores(net, [(x.double(), y) for x, y in noise])
    for n, expected in gated(digit_nets[name], noise, not trained).items():
        assert np.allclose(scores[n].numpy(), expected, rtol=1e-8, atol=1e-14), n
    assert all(torch.equal(v, before[k]) for k, v in net.model.state_dict().items()), "statistics moved"
    assert not any(m.training for m in net.model.modules())


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_the_largest_slopes_stay(digit_nets, prune_digits, noise, name):
    pruned = prune_digits(name, Snip(batches=2), 0.8, noise)
    expected = gated(digit_nets[name], noise[:2], True)
    values = np.sort(np.concatenate([v.ravel() for v in expected.values()]))
    bar = values[len(values) * 80 // 100]
    same = np.concatenate([(pruned.masks[n].numpy() == (v > bar)).ravel() for n, v in expected.items()])
    assert same.mean() > 0.999 and sum(int(m.sum()) for m in pruned.masks.values()) == len(values) - len(values) * 80 // 100 - 1


def test_masked_weights_stay_masked(prune_digits, noise, made_up, machine):
    pruned = prune_digits("resnet-digits", Snip(), 0.9, noise)
    train_(pruned.model, Recipe(epochs=2, batch_size=16, lr=0.1, weight_decay=1e-3), made_up, Seeds(0), machine, masks=pruned.masks)
    for layer, mask in pruned.masks.items():
        assert bool((pruned.model.get_parameter(layer)[~mask] == 0).all()) and bool((pruned.model.get_parameter(layer)[mask] != 0).any())


def test_its_base_is_the_network_before_its_first_step(tmp_path):
    suite = Suite(methods=("snip", "synflow[steps=4]", "snip[trained=true]"), datasets=("synthetic[train=64,test=32]",), budgets=("0.8",), seeds=(0,),
                  protocols=("one-shot", "finetune-matched", "scratch-e", "scratch-matched", "rewind"), recipe={"epochs": 3, "batch_size": 32}, finetune={"epochs": 1})
    settings = Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu")
    planned = plan_suite(suite, settings, load_plugins())
    done = run_suite(suite, settings, load_plugins())
    assert done.exit_code == 0 and not done.failures and planned.count("train")["distinct"] >= done.trained
    rows = {(r.method.name, bool(r.method.params.get("trained")), r.protocol): r for r in load_records(tmp_path / "board")}
    assert len(rows) == 15
    first, flow, trained = (rows[(*key, "one-shot")] for key in (("snip", False), ("synflow", False), ("snip", True)))
    assert first.digests.base == flow.digests.base != first.digests.plain == trained.digests.base
    assert first.sparse_base is None and first.unpruned == trained.unpruned and first.digests.pruned != flow.digests.pruned
    assert first.ledger.pretrain.epochs == first.ledger.pretrain.macs == 0 and trained.ledger.pretrain.epochs == 3 and first.ledger.prune.images == 64
    # the masked first weights, trained by the base's schedule: the same training as rewinding to them
    assert rows["snip", False, "finetune-matched"].digests.final == rows["snip", False, "rewind"].digests.final
    assert rows["snip", False, "finetune-matched"].digests.final != rows["snip", False, "scratch-e"].digests.final
    # one total of multiply-adds: nothing was paid for a base; 64 images forward and backward through the dense network are F1/F2 epochs
    for row, base in ((first, 0), (trained, 3)):
        ratio, key = row.unpruned.macs / row.metrics.macs_nonzero, ("snip", bool(base), "scratch-matched")
        assert row.ledger.prune.macs == 3 * 64 * row.unpruned.macs
        assert rows[key].metrics.epochs == int(base * ratio) + 3 + int(ratio) and ("not trained" in rows[key].ledger.formula) == (not base)


def test_settings_and_data_are_checked(prune_digits):
    assert Snip().untrained and not Snip(trained=True).untrained
    with pytest.raises(BenchError, match="batches=0"):
        Snip(batches=0)
    with pytest.raises(BenchError, match="none were given"):
        prune_digits("vgg-digits", Snip(), 0.5)
