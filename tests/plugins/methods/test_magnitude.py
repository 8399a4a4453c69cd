"""magnitude against a full sort in float64, through the flow with its masks bit for bit, and in rounds."""
from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from benchbase.api import build
from benchbase.errors import BenchError
from benchbase.flow.run import open_suite, run_suite
from benchbase.flow.settings import Settings
from benchbase.flow.store import Done, Store
from benchbase.nets.prune import prune
from benchbase.nets.weights import digest_of, read_weights
from benchbase.plugin.manager import load_plugins
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.architecture import architecture_of
from benchbase.values.budget import Budget
from benchbase.values.digest import seed_of
from benchbase.values.record import consistent, load_records
from benchbase.values.spec import Suite
from benchbase_plugins.methods.magnitude import Magnitude

EXAMPLE = torch.zeros(2, 1, 8, 8)


def convolutions(model: nn.Module, linear: bool = False) -> dict[str, np.ndarray]:
    """The weights of layers that count, by parameter name, in float64."""
    kinds = (nn.Conv2d, nn.Linear) if linear else (nn.Conv2d,)
    return {f"{n}.weight": m.weight.detach().double().numpy() for n, m in model.named_modules() if isinstance(m, kinds)}


def by_sorting(weights: dict[str, np.ndarray], percent: int) -> dict[str, np.ndarray]:
    """The authors' rule: thre = sorted[int(total * percent)], w stays where |w| > thre; the percentage as a whole number."""
    values = np.sort(np.concatenate([np.abs(w).ravel() for w in weights.values()]))
    return {n: np.abs(w) > values[len(values) * percent // 100] for n, w in weights.items()}


def same(masks: dict[str, torch.Tensor], expected: dict[str, np.ndarray]) -> bool:
    return set(masks) == set(expected) and all(np.array_equal(m.numpy(), expected[n]) for n, m in masks.items())


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_one_threshold_as_a_full_sort_has_it(digit_nets, name):
    model = copy.deepcopy(digit_nets[name])
    nn.init.normal_(next(m for m in model.modules() if isinstance(m, nn.Linear)).weight, 0, 0.2, generator=torch.Generator().manual_seed(0))
    for percent, linear in ((30, False), (90, True)):
        pruned = prune(model, Magnitude(linear=linear), percent / 100, example=EXAMPLE)
        expected = by_sorting(convolutions(model, linear), percent)
        assert same(pruned.masks, expected) and pruned.report["rescued"] == [] and pruned.report["equivalence"] == 0
        shares = [m.mean() for m in expected.values()]
        assert max(shares) - min(shares) > 0.05, "layers lose unequally, or one threshold for all is not tested"
        weights, after = model.state_dict(), pruned.model.state_dict()
        for n, value in weights.items():
            kept = torch.from_numpy(expected[n]) if n in expected else torch.ones_like(value, dtype=torch.bool)
            assert torch.equal(after[n], torch.where(kept, value, torch.zeros_like(value))), n
        total, left = (sum(int(a.sum()) for a in part) for part in ([np.ones_like(m, dtype=int) for m in expected.values()], expected.values()))
        assert left == total - total * percent // 100 - 1 and pruned.report["achieved"]["weights"] == pytest.approx(1 - left / total, abs=1e-6)
        assert pruned.report["nonzero"]["dense"] - pruned.report["nonzero"]["pruned"] == total - left
        assert pruned.report["params"]["pruned"] == pruned.report["params"]["dense"]


def test_a_threshold_for_each_layer(digit_nets):
    model = digit_nets["resnet-digits"]
    masks = prune(model, Magnitude(per_layer=True), 0.7, example=EXAMPLE).masks
    for name, weight in convolutions(model).items():
        assert same({name: masks[name]}, by_sorting({name: weight}, 70))


def test_equal_is_not_larger_and_decimals_decide_the_count():
    model = nn.Sequential(nn.Conv2d(1, 100, 1, bias=False), nn.Flatten())
    with torch.no_grad():
        model[0].weight.copy_(torch.arange(1.0, 101).reshape(100, 1, 1, 1))
    example = torch.zeros(2, 1, 1, 1)
    assert int(prune(model, Magnitude(), 0.29, example=example).masks["0.weight"].sum()) == 70  # int(100 * 0.29) is 28 in floating point
    with torch.no_grad():
        model[0].weight[40:60] = -50.0
    kept = prune(model, Magnitude(), 0.45, example=example).masks["0.weight"].flatten()
    assert kept.tolist() == [False] * 60 + [True] * 40


def test_a_layer_below_the_threshold_keeps_its_largest_weight_and_is_named(digit_nets):
    model = copy.deepcopy(digit_nets["vgg-digits"])
    weight = model.features[7].weight.detach()
    weight.mul_(1e-4)
    pruned = prune(model, Magnitude(), 0.6, example=EXAMPLE)
    assert pruned.report["rescued"] == ["features.7"]
    assert pruned.masks["features.7.weight"].flatten().nonzero().flatten().tolist() == [int(weight.abs().argmax())]


@pytest.mark.parametrize("key", ["macs", "params"])
def test_shares_count_weights_that_stay(digit_nets, key):
    report = prune(digit_nets["resnet-digits"], Magnitude(), f"{key}=0.8", example=EXAMPLE).report
    counted = {"macs": "macs_nonzero", "params": "nonzero"}[key]
    assert abs(1 - report[counted]["pruned"] / report[key]["dense"] - 0.8) < 0.02


def test_what_it_cannot_do_is_said(digit_nets):
    for bad, words in (({"steps": 0}, "makes no sense"), ({"epochs": 0}, "makes no sense"), ({"rewind": True}, "rewinds nothing")):
        with pytest.raises(BenchError, match=words):
            Magnitude(**bad)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    model = digit_nets["vgg-digits"]
    for net, method, budget, words in [
            (flat, Magnitude(), 0.5, "no convolutions"), (model, Magnitude(), Budget(widths={"features.0": 3}), "says it already"),
            (model, Magnitude(), Budget(ratio=0.5, scope="inner"), "scope"), (model, Magnitude(steps=2), 0.5, "no training here"),
            (model, Magnitude(steps=2, rewind=True), 0.5, "no training here")]:
        with pytest.raises(BenchError, match=words) as error:
            prune(net, method, budget, example=EXAMPLE)
        assert error.value.kind == "not_applicable"
    assert int(prune(flat, Magnitude(linear=True), 0.5, example=EXAMPLE).masks["1.weight"].sum()) == 127


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(records by method and protocol, stages by digest) of a sweep on 64 made-up images."""
    root = tmp_path_factory.mktemp("magnitude")
    place = Settings(root / "store", root / "data", root / "board", device="cpu")
    suite = Suite(methods=("magnitude", "magnitude[steps=3]"), datasets=("synthetic[train=64,test=32]",), budgets=("0.8",), seeds=(0,),
                  protocols=("one-shot", "finetune", "scratch-e", "scratch-b"), recipe={"epochs": 2, "batch_size": 32}, finetune={"epochs": 1})
    sweep = run_suite(suite, place, load_plugins())
    assert sweep.exit_code == 0 and not [r for r in load_records(place.leaderboard) if consistent(r)]
    rows = [json.loads(path.read_text()) for path in sweep.records]
    stages = {done.digest: done for p in place.store.glob("??/*/stage.json") if (done := Store(place.store).get(p.parent.name))}
    return {(r["method"]["params"]["steps"], r["protocol"]): r for r in rows}, stages


def weights(stage: Done) -> dict[str, torch.Tensor]:
    return read_weights(stage.folder / "weights.safetensors")


def test_masks_hold_bit_for_bit_through_every_protocol(swept):
    rows, stages = swept
    for (steps, protocol), row in rows.items():
        pruned = stages[row["digests"]["pruned"]]
        masks = read_weights(pruned.folder / "masks.safetensors")
        assert digest_of(masks) == row["architecture"]["masks"] == pruned.info["architecture"]["masks"]
        assert architecture_of(row["architecture"]).digest == row["digests"]["architecture"] and row["architecture"]["shapes"] == {}
        total, left = sum(m.numel() for m in masks.values()), sum(int(m.sum()) for m in masks.values())
        assert left == total - int(total * 80 // 100) - 1 and row["achieved"]["weights"] == pytest.approx(1 - left / total, abs=1e-6)
        final = weights(stages[row["digests"]["final"]])
        for name, mask in masks.items():
            assert not final[name][~mask].any() and not torch.signbit(final[name][~mask]).any() and final[name][mask].all(), (steps, protocol, name)
        others = row["unpruned"]["params"] - total  # biases and means of norms start at zero, and may be there still
        assert left <= row["metrics"]["nonzero"] <= left + others and row["metrics"]["nonzero"] == sum(
            int(final[n].count_nonzero()) for n in final if not n.endswith(("running_mean", "running_var", "num_batches_tracked")))
        if protocol == "finetune":
            moved = [n for n, mask in masks.items() if not torch.equal(final[n][mask], weights(pruned)[n][mask])]
            assert moved == list(masks)


def test_one_shot_masks_are_those_of_the_base(swept):
    rows, stages = swept
    row = rows[1, "one-shot"]
    base = {n: w.double().numpy() for n, w in weights(stages[row["digests"]["base"]]).items() if n.startswith("features") and w.dim() == 4}
    assert same(read_weights(stages[row["digests"]["pruned"]].folder / "masks.safetensors"), by_sorting(base, 80))


def test_scratch_networks_are_masked_fresh_and_widened_for_the_sparsity(swept):
    """std = sqrt(2 / n) with n = nonzero / in_channels, where the dense network has n = k k out (authors' unstructured scratch runs);
    nothing of the base's initial weights is in them."""
    rows, stages = swept
    row = rows[1, "scratch-e"]
    small, masks = architecture_of(row["architecture"]), read_weights(stages[row["digests"]["pruned"]].folder / "masks.safetensors")
    fresh = build(small, seed_of(0, "scratch", small.digest), masks).state_dict()
    first = build(architecture_of({**row["architecture"], "masks": ""}), seed_of(0, "init", "vgg-digits")).state_dict()
    drawn = []
    for name, mask in masks.items():
        n = int(mask.sum()) / mask.shape[1]
        drawn.append(fresh[name][mask] * (n / 2) ** 0.5)
        assert not fresh[name][~mask].any()
    drawn, theirs = torch.cat(drawn), torch.cat([first[n][m] for n, m in masks.items()])
    assert len(drawn) > 10_000 and float(drawn.std()) == pytest.approx(1, abs=0.03) and abs(float(drawn.mean())) < 0.03
    assert abs(float(torch.corrcoef(torch.stack([drawn, theirs]))[0, 1])) < 0.03


def test_the_ledger_and_scratch_b_count_weights_that_stay(swept):
    rows, stages = swept
    for steps in (1, 3):
        shot, scratch, tuned = (rows[steps, p] for p in ("one-shot", "scratch-b", "finetune"))
        report = stages[shot["digests"]["pruned"]].info["report"]["macs_nonzero"]
        ratio = shot["unpruned"]["macs"] / report["pruned"]
        assert scratch["scratch_epochs"]["ratio"] == pytest.approx(ratio, rel=1e-3) and scratch["metrics"]["epochs"] == int(2 * ratio) > 6
        assert tuned["ledger"]["retrain"]["macs"] == 3 * 64 * report["pruned"]
    once, rounds = (rows[steps, "one-shot"]["ledger"]["prune"] for steps in (1, 3))
    assert (once["epochs"], once["macs"]) == (0, 0)
    assert (rounds["epochs"], rounds["images"]) == (2, 128)
    dense = rows[1, "one-shot"]["unpruned"]["macs"]
    # 0.2 ** (1/3) = 58.5 % and then 34.2 % of the weights stay, more of the multiply-adds in layers of many positions
    assert 3 * 64 * dense * (0.585 + 0.342) * 0.9 < rounds["macs"] < 3 * 64 * dense * 1.6


def test_rounds_take_the_same_part_of_what_is_left(digit_nets, net_of):
    net, seen = net_of(digit_nets["vgg-digits"], EXAMPLE), []

    def tune(net, epochs, kept, masks):
        seen.append({n: m.clone() for n, m in masks.items()})
        with torch.no_grad():  # a training that turns sizes around, and holds what is gone
            for name, mask in masks.items():
                weight = net.model.get_parameter(name)
                weight.copy_(torch.where(mask, 1 / weight, torch.zeros_like(weight)))

    net.tuner = tune
    last = Magnitude(steps=3, epochs=2).select(net, None, Budget(ratio=0.875)).masks
    every, total = [*seen, dict(last)], sum(m.numel() for m in last.values())
    assert [round(sum(int(m.sum()) for m in masks.values()) / total, 2) for masks in every] == [0.5, 0.25, 0.12]
    for before, after in zip(every, every[1:], strict=False):
        assert all(not (after[n] & ~before[n]).any() for n in after)


def test_rounds_that_rewind_train_the_ticket_again_from_the_first_weights(tmp_path):
    """Against the same written out: the base, its mask, the base's first weights under it trained as the base was, and the mask of those."""
    place = Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu")
    suite = Suite(methods=("magnitude[steps=2,rewind=true]",), datasets=("synthetic[train=64,test=32]",), budgets=("0.75",), seeds=(0,),
                  protocols=("one-shot", "rewind"), recipe={"epochs": 2, "batch_size": 32}, finetune={"epochs": 1})
    sweep = run_suite(suite, place, load_plugins())
    assert sweep.exit_code == 0 and sweep.trained == 2
    rows = {(r := json.loads(path.read_text()))["protocol"]: r for path in sweep.records}
    stages = {done.digest: done for p in place.store.glob("??/*/stage.json") if (done := Store(place.store).get(p.parent.name))}
    bench = open_suite(suite, place)
    work = bench.cells[0].work
    trained = weights(stages[rows["one-shot"]["digests"]["base"]])
    base = {n: w.double().numpy() for n, w in trained.items() if n.startswith("features") and w.dim() == 4}
    first = {n: torch.from_numpy(m) for n, m in by_sorting(base, 50).items()}
    model = build(work.dense, seed_of(0, "init", "vgg-digits"))
    seeds = Seeds(seed_of(0, "tune", 0), work.data.fingerprint)
    train_(model, work.recipe, bench.do.tools.data(work.data.dataset), seeds, bench.machine, masks=first)
    pruned = stages[rows["one-shot"]["digests"]["pruned"]]
    assert same(read_weights(pruned.folder / "masks.safetensors"), by_sorting(convolutions(model), 75))
    ledger = rows["rewind"]["ledger"]
    assert (ledger["pretrain"]["epochs"], ledger["prune"]["epochs"], ledger["retrain"]["epochs"]) == (2, 2, 2)
    assert ledger["prune"]["images"] == 128 and ledger["pretrain"]["macs"] > ledger["prune"]["macs"] > ledger["retrain"]["macs"]
