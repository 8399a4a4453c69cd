"""iterative-l1: the path of widths, ranking by the weights of the moment, nothing coming back, and what it costs."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchbase.errors import BenchError
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.plugin.manager import load_plugins
from benchbase.values.budget import Budget
from benchbase.values.spec import Suite
from benchbase_plugins.methods.iterative_l1 import IterativeL1


def test_widths_on_the_way():
    geometric, linear = IterativeL1(), IterativeL1(path="linear")
    # 64 (1/8)^(i/5): 42.22, 27.86, 18.38, 12.13, 8; linear: 64 - floor(11.2 i)
    assert [geometric.width(64, 8, i) for i in range(1, 6)] == [42, 28, 18, 12, 8]
    assert [linear.width(64, 8, i) for i in range(1, 6)] == [53, 42, 31, 20, 8]
    for method in (geometric, linear, IterativeL1(steps=2), IterativeL1(steps=40)):
        for whole in range(1, 40):
            for end in range(1, whole + 1):
                path = [whole, *(method.width(whole, end, i) for i in range(1, method.steps + 1))]
                assert path[-1] == end and all(a >= b for a, b in zip(path, path[1:], strict=False)), (method, whole, end)


def test_each_step_ranks_what_is_left_by_its_weights_then(digit_nets, net_of):
    net = net_of(digit_nets["vgg-digits"], torch.zeros(2, 1, 8, 8))
    generator, rounds = torch.Generator().manual_seed(0), []
    left = {g.name: list(range(g.width)) for g in net.groups}
    path = {32: [24, 16, 8], 64: [48, 32, 16]}

    def expected(step):
        for group in net.groups:
            l1 = np.abs(net.model.get_parameter(f"{group.name}.weight").detach().double().numpy()).sum((1, 2, 3))
            best = sorted(left[group.name], key=lambda c: l1[c], reverse=True)[:path[group.width][step]]
            left[group.name] = sorted(best)
        return {name: tuple(stay) for name, stay in left.items()}

    def tune(net, epochs, kept, masks):
        assert epochs == 3 and kept == expected(len(rounds)) and not masks
        rounds.append(epochs)
        with torch.no_grad():
            for p in net.model.parameters():  # a training that turns the ranking over
                p.copy_(torch.randn(p.shape, generator=generator))

    net.tuner = tune
    kept = IterativeL1(steps=3, epochs=3, path="linear").select(net, None, Budget(ratio=0.75)).kept
    assert len(rounds) == 2 and kept == expected(2)


def test_it_trains_in_a_sweep_and_the_ledger_says_so(tmp_path: Path):
    suite = Suite(methods=("iterative-l1[steps=3]", "l1-norm"), datasets=("synthetic[train=64,test=32]",), budgets=("0.5",), protocols=("one-shot",), seeds=(0,),
                  recipe={"epochs": 1, "batch_size": 32}, finetune={"epochs": 1, "lr": 0.05})
    done = run_suite(suite, Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu"), load_plugins())
    assert done.exit_code == 0 and not done.failures
    rows = {r["method"]["name"]: r for r in (json.loads(p.read_text()) for p in (tmp_path / "board").rglob("records/**/*.json"))}
    ours, theirs = rows["iterative-l1"], rows["l1-norm"]
    assert ours["ledger"]["prune"]["epochs"] == 2 and ours["ledger"]["prune"]["images"] == 128 and theirs["ledger"]["prune"]["epochs"] == 0
    assert ours["digests"]["architecture"] == theirs["digests"]["architecture"] and ours["digests"]["pruned"] != theirs["digests"]["pruned"]


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_through_prune(prune_digits, name):
    with pytest.raises(BenchError, match="no training here") as refused:
        prune_digits(name, IterativeL1(), 0.5)
    assert refused.value.kind == "not_applicable"
    pruned = prune_digits(name, IterativeL1(), 0.5, tuner=lambda net, epochs, kept, masks: None)
    assert pruned.report["equivalence"] < 1e-5 and len(pruned.selection.kept) == 6


@pytest.mark.parametrize("wrong", [{"steps": 1}, {"epochs": 0}])
def test_settings_are_checked(wrong):
    with pytest.raises(BenchError, match=next(iter(wrong))):
        IterativeL1(**wrong)
