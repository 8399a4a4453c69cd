"""Whole sweeps on made-up images: what is asked, what runs, what is shared, and what the records say of it."""
from __future__ import annotations

import json

import jsonschema
import pytest
import torch

from benchbase.flow.report import Sweep
from benchbase.flow.run import plan_suite, run_suite
from benchbase.flow.settings import Settings
from benchbase.flow.store import Store
from benchbase.nets.weights import digest_of, read_weights
from benchbase.values.architecture import Architecture
from benchbase.values.record import consistent, load_records, schema_text
from benchbase.values.spec import Suite
from benchbase_plugins.models.vgg import vgg_digits

METHODS, BUDGETS, SEEDS = ("l1-norm", "thinet[images=32]", "random", "uniform"), ("0.5", "0.25"), (0, 1, 2)
PROTOCOLS = ("one-shot", "finetune", "scratch-e", "scratch-b")
SUITE = Suite(METHODS, datasets=("synthetic[train=64,test=40]",), budgets=BUDGETS, protocols=PROTOCOLS, seeds=SEEDS,
              recipe={"epochs": 3, "batch_size": 32}, finetune={"epochs": 1})


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("sweep")
    return Settings(root / "store", root / "data", root / "board", device="cpu")


@pytest.fixture(scope="module")
def swept(place):
    """(plan before, first pass, plan between, second pass)."""
    return plan_suite(SUITE, place), run_suite(SUITE, place), plan_suite(SUITE, place), run_suite(SUITE, place)


@pytest.fixture(scope="module")
def records(swept, place, read):
    return read(place.leaderboard)


def test_the_plan_is_exact(swept):
    """96 rows ask 24 x 4 trainings: a base and three protocols each (one-shot trains nothing). Of those, 3 bases, 24 fine-tunings and
    2 budgets x 3 seeds x 2 scratch trainings differ, for all four methods arrive at the same two architectures."""
    plan, first, *_ = swept
    assert plan.cells == 24 and not plan.at_most and not plan.refused
    assert plan.count("train") == {"asked": 24 * 4, "distinct": 3 + 24 + 12, "cached": 0, "to_run": 39}
    assert plan.count("prune") == {"asked": 24, "distinct": 24, "cached": 0, "to_run": 24}
    assert plan.count("measure") == {"asked": 24 * 6, "distinct": 3 + 48 + 24 + 12, "cached": 0, "to_run": 87}
    assert (first.asked, first.trained) == (96, 39)
    asked = {e.label.partition(":")[0]: e.asked for e in plan.entries if e.kind == "train"}
    assert (asked["finetune"], asked["scratch-e"], asked["scratch-b"]) == (1, 4, 4) and max(asked.values()) == 8


def test_the_first_pass_writes_every_record(swept, place):
    _, first, *_ = swept
    assert isinstance(first, Sweep) and first.exit_code == 0 and first.failures == () and len(set(first.records)) == 96
    made = load_records(place.leaderboard)
    assert len(made) == 96 and not [r.key for r in made if consistent(r)]
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert not [path for path in first.records if list(validator.iter_errors(json.loads(path.read_text())))]


def test_the_second_pass_runs_nothing_and_writes_nothing(swept, place):
    _, first, plan, second = swept
    assert (second.asked, second.trained, second.exit_code) == (96, 0, 0) and second.records == first.records
    assert {kind: plan.count(kind)["to_run"] for kind in ("train", "prune", "measure")} == {"train": 0, "prune": 0, "measure": 0}
    assert all(event.cached for report in second.reports for event in report.events)
    assert len(list(place.leaderboard.rglob("*.json"))) == 96  # no reproductions


def test_one_architecture_is_trained_from_scratch_once(records):
    for budget in BUDGETS:
        for protocol in ("scratch-e", "scratch-b"):
            for seed in SEEDS:
                rows = [records[method.partition("[")[0], budget, protocol, seed] for method in METHODS]
                assert len({r["digests"]["final"] for r in rows}) == len({r["digests"]["architecture"] for r in rows}) == 1
                for row in rows:
                    assert row["shared_with"] == sorted(r["key"] for r in rows if r is not row)
    assert len({r["digests"]["final"] for r in records.values() if r["protocol"].startswith("scratch")}) == 12
    assert not any(r["shared_with"] for r in records.values() if r["protocol"] in ("one-shot", "finetune"))


def test_inherited_rows_are_each_their_own(records):
    finals = {r["digests"]["final"] for r in records.values() if r["protocol"] == "finetune"}
    assert len(finals) == 24
    for (_, _, protocol, _), row in records.items():
        assert (row["digests"]["final"] == row["digests"]["pruned"]) == (protocol == "one-shot")


def test_one_plain_base_a_seed_is_the_control_of_every_row(records):
    for seed in SEEDS:
        rows = [r for key, r in records.items() if key[3] == seed]
        assert len({r["digests"]["plain"] for r in rows}) == 1 and len({json.dumps(r["unpruned"]) for r in rows}) == 1
        assert all(r["digests"]["base"] == r["digests"]["plain"] and r["sparse_base"] is None for r in rows)
    assert len({r["digests"]["plain"] for r in records.values()}) == 3


def test_costs_are_those_of_the_networks(records):
    """Against torch's own count on the dense network, and against arithmetic for the pruned one."""
    from torch.utils.flop_counter import FlopCounterMode

    model = vgg_digits(4).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, 8, 8))
    params = sum(p.numel() for p in model.parameters())
    widths = {"0.5": (16, 16, 32, 32, 32, 32), "0.25": (24, 24, 48, 48, 48, 48)}
    for (_, budget, _, _), row in records.items():
        assert row["unpruned"]["macs"] == counter.get_total_flops() // 2 and row["unpruned"]["params"] == params
        w, places = widths[budget], (64, 64, 16, 16, 4, 4)
        convs = [9 * a * b for a, b in zip((1, *w), w)]
        macs, size = sum(c * p for c, p in zip(convs, places)) + 4 * w[-1], sum(convs) + 2 * sum(w) + 4 * w[-1] + 4
        assert (row["metrics"]["macs"], row["metrics"]["params"]) == (macs, size)
        assert row["metrics"]["macs_nonzero"] <= macs and 0.99 * size < row["metrics"]["nonzero"] <= size
        assert row["achieved"]["macs"] == pytest.approx(1 - macs / row["unpruned"]["macs"], abs=1e-6)
        assert row["achieved"]["channels"] == float(budget) and row["asked"] == row["budget"] == {"ratio": float(budget), "name": budget}
        names = [f"features.{i}" for i in (0, 3, 7, 10, 14, 17)]
        assert tuple(len(row["kept"][n]) for n in names) == w == tuple(row["architecture"]["widths"][n] for n in names)


def test_the_ledger(records):
    for (method, budget, protocol, _), row in records.items():
        ledger, recipe, dense, small = row["ledger"], row["recipe"], row["unpruned"]["macs"], row["metrics"]["macs"]
        scratch = protocol.startswith("scratch")
        epochs = {"one-shot": 0, "finetune": 1, "scratch-e": 3, "scratch-b": int(3 * dense / small)}[protocol]
        assert ledger["retrain"]["epochs"] == row["metrics"]["epochs"] == epochs and ledger["retrain"]["images"] == 64 * epochs
        assert ledger["retrain"]["macs"] == 3 * 64 * epochs * small and (ledger["retrain"]["seconds"] > 0) == (epochs > 0)
        images = 0 if scratch or method != "thinet" else 64  # read in batches of 64
        assert (ledger["prune"]["images"], ledger["prune"]["macs"], ledger["prune"]["epochs"]) == (images, images * dense, 0)
        assert (ledger["pretrain"]["epochs"], ledger["pretrain"]["macs"]) == ((0, 0) if scratch else (3, 3 * 3 * 64 * dense))
        assert recipe["epochs"] == 3 and row["finetune_recipe"]["epochs"] == 1
        said = row["scratch_epochs"]
        assert (said is None) == (not scratch) and (said is None or (said["ratio"] == dense / small and said["cap"] is None))
    formula = records["l1-norm", "0.5", "scratch-b", 0]["ledger"]["formula"]
    assert formula.startswith("int(K1 * F1/F2); K1 = 3, F1/F2 = 3.9586")


def test_one_shot_is_measured_raw_and_with_recomputed_statistics(records):
    for (_, _, protocol, _), row in records.items():
        told = [row["metrics"][name] for name in ("top1_bn", "loss_bn")] + [row["digests"]["calibration"]]
        assert all(v is not None for v in told) if protocol == "one-shot" else told == [None] * 3
        assert 0 <= row["metrics"]["equivalence"] < 1e-4
    assert len({r["digests"]["calibration"] for r in records.values() if r["protocol"] == "one-shot"}) == 1


def test_a_record_says_what_it_was_made_with_and_by_nobody(records, place):
    import getpass
    import socket

    row = records["thinet", "0.5", "finetune", 0]
    assert row["method"] == {"name": "thinet", "version": 1, "params": {"images": 32, "positions": 10, "refit": True, "finetune_epochs": 0},
                             "distribution": "benchbase", "distribution_version": row["versions"]["benchbase"], "source": ""}
    assert {"benchbase", "torch", "torchvision", "numpy", "python"} <= set(row["versions"])
    assert row["versions"]["torch"].split("+")[0] in torch.__version__
    assert set(row["device"]) == {"type", "name"} and row["device"]["type"] == "cpu" and row["device"]["name"]
    assert (row["precision"], row["threads"], row["memory_format"], row["protocol_version"]) == ("fp32", 1, "channels_last", 1)
    text = json.dumps(row)
    for secret in (socket.gethostname(), getpass.getuser(), str(place.store), "/"):
        assert secret not in text.replace(f'"correct": "{row["correct"]}"', "").replace("F1/F2", "") or secret in ("root",), secret


def test_seconds_are_those_of_the_stages_behind_a_row(records, place):
    store = Store(place.store)
    by_digest = {}
    for path in place.store.glob("??/*/stage.json"):
        done = store.get(path.parent.name)
        by_digest.setdefault(done.digest, []).append(done)
    for row in records.values():
        parts = [by_digest[row["digests"][name]][0] for name in ("base", "pruned", "final")]
        trained = {d.key: d.seconds for d in parts}
        assert sum(trained.values()) - 0.01 <= row["seconds"] < sum(trained.values()) + 5


def test_stored_weights_have_the_digests_that_records_name(records, place):
    store = Store(place.store)
    known = {done.digest: done for path in place.store.glob("??/*/stage.json") if (done := store.get(path.parent.name))}
    for row in list(records.values())[::7]:
        for name in ("plain", "pruned", "final"):
            assert digest_of(read_weights(known[row["digests"][name]].folder / "weights.safetensors")) == row["digests"][name]
        shapes = {k: tuple(v) for k, v in row["architecture"]["shapes"].items()}
        assert Architecture("vgg-digits", 4, (1, 8, 8), shapes=shapes).digest == row["digests"]["architecture"]


def test_scratch_weights_owe_nothing_to_the_base(records, place):
    """Gate 11: what survives of the base's weights and the fresh ones are uncorrelated."""
    from benchbase.flow.tools import Tools
    from benchbase.plugin.manager import load_plugins
    from benchbase.training.machine import Machine
    from benchbase.values.architecture import architecture_of
    from benchbase.values.digest import seed_of

    tools = Tools(load_plugins(), Machine(), place.data)
    row = records["l1-norm", "0.5", "scratch-e", 0]
    small = architecture_of(row["architecture"])
    fresh = tools.fresh(small, seed_of(0, "scratch", small.digest))[0].state_dict()["features.3.weight"]
    base = tools.fresh(Architecture("vgg-digits", 4, (1, 8, 8)), seed_of(0, "init", "vgg-digits"))[0].state_dict()["features.3.weight"]
    stay = [torch.tensor(row["kept"][name]) for name in ("features.3", "features.0")]
    inherited = base[stay[0]][:, stay[1]]
    for values in (inherited, base[:16, :16]):
        assert abs(torch.corrcoef(torch.stack([values.flatten(), fresh.flatten()]))[0, 1]) < 0.1


def test_two_processes_in_another_store_arrive_at_the_same_bits(records, tmp_path, read):
    """--jobs 2 and --jobs 1, two stores: digests, metrics and bits agree."""
    part = SUITE.with_(methods=("l1-norm", "random"), budgets=("0.5",), seeds=(0, 1))
    there = Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu", jobs=2)
    seen = []
    sweep = run_suite(part, there, observe=seen.append)
    assert sweep.exit_code == 0 and sweep.trained == 2 + 4 + 4 == len([e for e in seen if e.kind == "train" and not e.cached])
    other = read(tmp_path / "board")
    assert len(other) == 16
    for key, row in other.items():
        for name in ("key", "digests", "metrics", "unpruned", "correct", "kept", "architecture", "device", "versions", "precision", "threads"):
            assert row[name] == records[key][name], (key, name)
        assert len(row["shared_with"]) == (1 if key[2].startswith("scratch") else 0)
