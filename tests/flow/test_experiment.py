"""Cells of every kind: matched budgets, bases of their own, masks, training between choices; and what their records say."""
from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from benchbase.flow.plan import Planner
from benchbase.flow.run import open_suite, plan_suite, run_suite, who_shares
from benchbase.flow.rows import LARGE, compact, key_in
from benchbase.flow.store import Store
from benchbase.nets.weights import read_weights
from benchbase.plugin.manager import load_plugins
from benchbase.values.digest import digest
from benchbase.values.protocol import Metric
from benchbase.values.record import consistent, load_failures, load_records

IMAGES = 64


def spent(row):
    return sum(phase["macs"] for name, phase in row["ledger"].items() if name != "formula")


@pytest.fixture
def run(settings, tiny, read):
    """Run a suite; its records by (method, budget, protocol, seed), none of which contradicts itself."""
    def go(**said):
        sweep = run_suite(tiny(**said), settings())
        assert sweep.exit_code == 0 and not sweep.failures, sweep.failures
        assert not [r for r in load_records(settings().leaderboard) if consistent(r)]
        return read(settings().leaderboard)
    return go


def test_the_matched_pair_spends_the_same(run):
    """Gate 4: T = pretraining + pruning + retraining multiply-adds, once on inherited and once on fresh weights, in whole epochs: the
    training's and pruning's are each rounded down."""
    rows = run(methods=("thinet[images=64]",), protocols=("finetune-matched", "scratch-matched", "scratch-b-cap2", "unpruned-long"))
    inherited, fresh = rows["thinet", "0.5", "finetune-matched", 0], rows["thinet", "0.5", "scratch-matched", 0]
    epoch = 3 * IMAGES * fresh["metrics"]["macs"]
    assert 0 <= spent(inherited) - spent(fresh) < 2 * epoch
    dense, small = fresh["unpruned"]["macs"], fresh["metrics"]["macs"]
    assert inherited["ledger"]["prune"]["macs"] == IMAGES * dense
    assert fresh["metrics"]["epochs"] == int(2 * dense / small + 2) + IMAGES * dense // epoch
    assert fresh["ledger"]["formula"].endswith(f"pruning = {IMAGES * dense} multiply-adds") and fresh["ledger"]["pretrain"]["macs"] == 0
    capped = rows["thinet", "0.5", "scratch-b-cap2", 0]
    assert capped["metrics"]["epochs"] == 4 and capped["scratch_epochs"]["cap"] == 2 and capped["scratch_epochs"]["ratio"] == dense / small


def test_unpruned_long_is_a_row_of_the_dense_network(run):
    rows = run(methods=("l1-norm", "random"), protocols=("unpruned-long", "scratch-e"))
    one, two = (rows[m, "0.5", "unpruned-long", 0] for m in ("l1-norm", "random"))
    assert one["architecture"]["shapes"] == {} and one["kept"] == {} and set(one["achieved"].values()) == {0.0} and one["asked"]["ratio"] == 0.5
    assert one["metrics"]["macs"] == one["unpruned"]["macs"] and one["metrics"]["params"] == one["unpruned"]["params"]
    assert one["metrics"]["equivalence"] is None and one["metrics"]["epochs"] == int(2 * one["scratch_epochs"]["ratio"] + 2)
    assert one["ledger"]["retrain"]["macs"] == 3 * IMAGES * one["metrics"]["epochs"] * one["unpruned"]["macs"] == spent(one)
    assert one["digests"]["final"] == two["digests"]["final"] != one["digests"]["plain"] and one["shared_with"] == [two["key"]]


def test_sharing_is_not_claimed_where_pruning_is_charged(settings, tiny):
    """thinet's pruning buys epochs, l1-norm's reads no image: their scratch-matched trainings differ, and the plan cannot know."""
    suite = tiny(methods=("l1-norm", "thinet[images=64]"), protocols=("scratch-matched", "scratch-b"))
    plan = plan_suite(suite, settings())
    assert plan.at_most and plan.count("train")["distinct"] == 1 + 2 + 1
    bench = open_suite(suite, settings())
    shared = who_shares(bench, Planner(bench.do))
    assert sorted(shared) == sorted(key_in(cell, p) for cell in bench.cells for p in cell.protocols if p.name == "scratch-b")


def test_a_base_of_its_own_is_a_second_control(run, settings, tiny, own):
    suite = {"methods": (own("Threshold"), "l1-norm"), "budgets": ("0.3",), "protocols": ("finetune", "scratch-b")}
    plan = plan_suite(tiny(**suite), settings())
    assert plan.at_most and not plan.refused
    rows = run(**suite)
    theirs, plain = rows["threshold", "0.3", "finetune", 0], rows["l1-norm", "0.3", "finetune", 0]
    assert theirs["digests"]["base"] != theirs["digests"]["plain"] == plain["digests"]["plain"] and theirs["unpruned"] == plain["unpruned"]
    assert theirs["sparse_base"]["macs"] == theirs["unpruned"]["macs"] and theirs["sparse_base"]["loss"] != theirs["unpruned"]["loss"]
    assert theirs["ledger"]["pretrain"]["epochs"] == 2
    scratch = rows["threshold", "0.3", "scratch-b", 0]  # a method found the architecture: what that cost is part of the row
    assert scratch["ledger"]["pretrain"]["epochs"] == 2 and spent(scratch) > spent(rows["l1-norm", "0.3", "scratch-b", 0])
    assert scratch["method"]["source"] and scratch["method"]["distribution"] is None
    after = plan_suite(tiny(**suite), settings())
    assert not after.at_most and after.count("train")["to_run"] == 0


@pytest.mark.parametrize("method", ["Magnitude", "Layerwise"])
def test_masks(run, settings, own, method):
    rows = run(methods=(own(method),), protocols=("one-shot", "finetune", "scratch-b"))
    name = {"Magnitude": "small-weights", "Layerwise": "layerwise"}[method]
    for (_, _, protocol, _), row in rows.items():
        m, base = row["metrics"], row["unpruned"]
        assert (m["params"], m["macs"]) == (base["params"], base["macs"]) and 0.45 < m["nonzero"] / base["nonzero"] < 0.55
        assert len(row["architecture"]["masks"]) == 64 and row["architecture"]["shapes"] == {}
        assert row["achieved"]["params"] == 0 and 0.45 < row["achieved"]["nonzero"] < 0.55
    scratch, tuned = rows[name, "0.5", "scratch-b", 0], rows[name, "0.5", "finetune", 0]
    ratio = scratch["unpruned"]["macs"] / rows[name, "0.5", "one-shot", 0]["metrics"]["macs_nonzero"]
    assert scratch["scratch_epochs"]["ratio"] == pytest.approx(ratio, rel=0.01) and scratch["metrics"]["epochs"] == int(2 * ratio)
    assert scratch["ledger"]["formula"].endswith("counting weights that stay")
    assert tuned["ledger"]["retrain"]["macs"] == pytest.approx(3 * IMAGES * tuned["metrics"]["macs_nonzero"], rel=0.01)
    known = {d.digest: d for p in settings().store.glob("??/*/stage.json") if (d := Store(settings().store).get(p.parent.name))}
    masks = read_weights(known[tuned["digests"]["pruned"]].folder / "masks.safetensors")
    for row in (tuned, scratch):
        weights = read_weights(known[row["digests"]["final"]].folder / "weights.safetensors")
        assert masks and all(not weights[n][~mask].any() and weights[n][mask].all() for n, mask in masks.items())


def test_only_inner_groups_of_residual_networks(run):
    rows = run(models=("resnet-digits",), methods=("l1-norm",), protocols=("one-shot",), recipe={"epochs": 1})
    [row] = rows.values()
    assert set(row["kept"]) == {f"layer{i}.{j}.conv1" for i in (1, 2, 3) for j in (0, 1)} and row["metrics"]["equivalence"] < 1e-4


def test_training_between_choices(run, settings, tiny, own, tmp_path):
    log = tmp_path / "log"
    text = own(f"Tuned[epochs=2,log={log}]")
    rows = run(methods=(text,), protocols=("one-shot", "scratch-e"))
    lines = log.read_text().splitlines()
    assert lines == ["0.0 True False"] * 6  # removed channels stay at zero, the others learn, the mode is put back
    shot = rows["tuned", "0.5", "one-shot", 0]
    prune, dense, small = shot["ledger"]["prune"], shot["unpruned"]["macs"], shot["metrics"]["macs"]
    assert prune["epochs"] == 12 and prune["images"] == 12 * IMAGES and 3 * 12 * IMAGES * small <= prune["macs"] < 3 * 12 * IMAGES * dense
    log.unlink()
    run(methods=(text,), protocols=("one-shot",), finetune={"epochs": 3})  # the number of epochs is the method's, the recipe is not
    assert log.exists()
    log.unlink()
    run(methods=(text,), protocols=("one-shot", "scratch-e"))
    assert not log.exists()
    assert plan_suite(tiny(methods=("thinet[finetune_epochs=1]",), finetune={"lr": 0.1}), settings()).count("prune")["to_run"] == 1


def test_thinet_trains_between_its_choices(run):
    row = run(methods=("thinet[finetune_epochs=1,images=32]",), protocols=("one-shot",))["thinet", "0.5", "one-shot", 0]
    assert row["ledger"]["prune"]["epochs"] == 6 and row["method"]["params"]["finetune_epochs"] == 1


def test_a_method_that_does_not_say_what_it_trains(settings, tiny, own):
    sweep = run_suite(tiny(methods=(own("Tuned[said=false,restarts=true]"),)), settings())
    assert [kind for _, kind, _ in sweep.failures] == ["method_error"] and "`tunes = True`" in load_failures(settings().leaderboard)[0].message


def test_a_method_that_trains_says_so(settings, tiny, own):
    sweep = run_suite(tiny(methods=(own("Tuned[said=false]"),)), settings())
    assert [kind for _, kind, _ in sweep.failures] == ["not_applicable"] and "tunes" in load_failures(settings().leaderboard)[0].message


def test_an_edited_method_is_another_one(settings, tiny, tmp_path, own):
    file = tmp_path / "mine.py"
    shutil.copy(own("").rstrip(":"), file)
    suite = tiny(methods=(f"{file}:Threshold",), protocols=("one-shot",))
    assert run_suite(suite, settings()).exit_code == 0
    file.write_text(file.read_text() + "\n# edited\n")
    seen = []
    run_suite(suite, settings(), observe=seen.append)
    ran = [e.kind for e in seen if not e.cached and e.kind != "measure"]
    assert ran == ["resolve", "train", "prune"]  # its base too: the callback is in the file
    made = load_records(settings().leaderboard)
    assert len({r.method.source for r in made}) == len({r.key for r in made}) == 2 and len({r.digests.final for r in made}) == 1


def test_many_indices_are_kept_as_a_digest():
    kept = {"a": list(range(LARGE)), "b": [0]}
    assert compact(kept) == digest(kept) and compact({"a": list(range(LARGE))}) == {"a": list(range(LARGE))}


def test_the_callers_random_numbers_play_no_part(settings, tiny):
    torch.manual_seed(1)
    first = run_suite(tiny(protocols=("finetune",)), settings())
    torch.manual_seed(2)
    second = run_suite(tiny(protocols=("finetune",)), settings(rerun="all"))
    assert first.records == second.records and second.trained == 2


class Agreement(Metric):
    """How often a network says what the unpruned one says, in percent."""

    name, unit = "agreement", "%"

    def measure(self, model, evaluation):
        assert not (model.training or evaluation.dense.training or torch.is_grad_enabled())
        same = [(model(x).argmax(1) == evaluation.dense(x).argmax(1), y) for x, y in evaluation.batches(25)]
        assert [len(y) for _, y in same] == [25, 7]
        return 100 * float(torch.cat([s for s, _ in same]).float().mean())


class Nonsense(Agreement):
    name = "nonsense"

    def measure(self, model, evaluation):
        return float("nan")


class Measuring:
    """The plugins, with metrics."""

    def __init__(self, plugins, *metrics):
        self.plugins, self.own = plugins, metrics

    def __getattr__(self, name):
        return getattr(self.plugins, name)

    def metrics(self):
        return list(self.own)


class Bare(nn.Module):
    """Initialised by nothing that can be recognised."""

    def __init__(self, classes, channels):
        super().__init__()
        self.conv, self.next, self.head = nn.Conv2d(channels, 8, 3), nn.Conv2d(8, 6, 3), nn.Linear(6, classes)
        with torch.no_grad():
            self.next.weight.copy_(torch.randn(6, 8, 3, 3).sign() * 0.1)

    def forward(self, x):
        return self.head(self.next(self.conv(x).relu()).relu().mean((2, 3)))


class Handing(Measuring):
    """The plugins, with one model more."""

    def model(self, name):
        return (lambda num_classes, in_channels=3: Bare(num_classes, in_channels)) if name == "bare" else self.plugins.model(name)


def test_weights_whose_initialiser_is_not_known_are_named(settings, tiny, read):
    sweep = run_suite(tiny(models=("bare",), protocols=("finetune", "scratch-e")), settings(), Handing(load_plugins()))
    rows = {key[2]: row for key, row in read(settings().leaderboard).items()}
    assert not sweep.failures and rows["scratch-e"]["guessed"] == ["next.weight"] and rows["finetune"]["guessed"] == []


def test_metrics_of_plugins_and_one_that_fails(settings, tiny, read):
    suite, plugins = tiny(protocols=("one-shot", "unpruned-long")), load_plugins()
    sweep = run_suite(suite, settings(), Measuring(plugins, Agreement(), Nonsense()))
    rows = read(settings().leaderboard)
    assert sweep.exit_code == 1 and len(rows) == 2  # the rows stand, without the number that could not be had
    assert [(cell.partition(",")[0], kind, "nan" in what) for cell, kind, what in sweep.failures] == [("metric nonsense", "method_error", True)] * 2
    assert not list(settings().leaderboard.rglob("failed"))
    for row in rows.values():
        assert list(row["metrics"]["extra"]) == ["agreement"] and row["metrics"]["extra"]["agreement"] * 32 / 100 in range(33)
    again = run_suite(suite, settings(), Measuring(plugins, Agreement()))
    assert again.exit_code == 0 and not [e for e in again.reports[0].events if not e.cached] and again.records == sweep.records
    assert run_suite(suite, settings(), plugins).records == sweep.records  # a metric more or less is no other result
