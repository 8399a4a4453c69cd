"""Lottery tickets: what pruning chose, with the weights that the base began with; and that nothing else has those (gate 11)."""
from __future__ import annotations

import pytest
import torch

from benchbase.api import build
from benchbase.flow.experiment import experiment
from benchbase.flow.plan import Planner, plan
from benchbase.flow.run import open_suite, plan_suite, run_suite
from benchbase.flow.settings import Settings
from benchbase.flow.store import Store
from benchbase.nets.weights import read_weights
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.digest import seed_of
from benchbase.values.record import consistent, load_failures, load_records

DENSE = Architecture("vgg-digits", 4, (1, 8, 8))
CONVOLUTIONS = [f"features.{i}" for i in (0, 3, 7, 10, 14, 17)]
SUITE = {"methods": ("thinet[images=32]", "magnitude"), "protocols": ("rewind", "rewind-early", "scratch-e", "finetune"),
         "recipe": {"epochs": 3, "batch_size": 32, "momentum": 0.0}}


def first_weights() -> dict[str, torch.Tensor]:
    """The initial weights of the base of seed 0."""
    return build(DENSE, seed_of(0, "init", "vgg-digits")).state_dict()


def by_hand(weights: dict[str, torch.Tensor], kept: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """The weights of vgg-digits cut to the channels kept, layer by layer: each reads what the one before writes."""
    cut, before = {}, [0]
    for layer in CONVOLUTIONS:
        cut[f"{layer}.weight"] = weights[f"{layer}.weight"][kept[layer]][:, before]
        head, number = layer.split(".")
        for name in ("weight", "bias", "running_mean", "running_var"):
            cut[f"{head}.{int(number) + 1}.{name}"] = weights[f"{head}.{int(number) + 1}.{name}"][kept[layer]]
        before = kept[layer]
    return {**weights, **cut, "classifier.weight": weights["classifier.weight"][:, before]}


@pytest.fixture(scope="module")
def swept(tmp_path_factory, tiny, read):
    """(records, stages, stages by digest, settings, the plan before) of a structured and an unstructured method."""
    root = tmp_path_factory.mktemp("rewind")
    place = Settings(root / "store", root / "data", root / "board", device="cpu")
    before = plan_suite(tiny(**SUITE), place)
    sweep = run_suite(tiny(**SUITE), place)
    assert sweep.exit_code == 0 and not [r for r in load_records(place.leaderboard) if consistent(r)]
    stages = [done for p in place.store.glob("??/*/stage.json") if (done := Store(place.store).get(p.parent.name))]
    return read(place.leaderboard), stages, {done.digest: done for done in stages}, place, before


def weights(done) -> dict[str, torch.Tensor]:
    return read_weights(done.folder / "weights.safetensors")


def same(one, two) -> bool:
    return set(one) == set(two) and all(torch.equal(one[n], two[n]) for n in one)


def correlated(one: torch.Tensor, two: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])


def early_weights(suite, place) -> dict[str, torch.Tensor]:
    """The base after the first of its three epochs, trained by hand."""
    bench = open_suite(suite, place)
    work = bench.cells[0].work
    model, data = build(DENSE, seed_of(0, "init", "vgg-digits")), bench.do.tools.data(work.data.dataset)
    train_(model, work.recipe, data, Seeds(0, work.data.fingerprint), bench.machine, span=range(1))
    return model.state_dict()


def test_rewound_weights_are_exactly_the_initial_ones_of_what_stays(swept, tiny):
    rows, stages, _, place, _ = swept
    tickets = {d.digest: weights(d) for d in stages if d.kind == "rewind"}
    assert len(tickets) == 4
    kept = rows["thinet", "0.5", "rewind", 0]["kept"]
    pruned = next(d for d in stages if d.digest == rows["magnitude", "0.5", "rewind", 0]["digests"]["pruned"])
    masks = read_weights(pruned.folder / "masks.safetensors")
    for begun in (first_weights(), early_weights(tiny(**SUITE), place)):
        masked = {n: torch.where(masks[n], w, torch.zeros_like(w)) if n in masks else w for n, w in begun.items()}
        for expected in (by_hand(begun, kept), masked):
            [found] = [digest for digest, ticket in tickets.items() if same(ticket, expected)]
            del tickets[found]
    assert not tickets
    inherited = weights(next(d for d in stages if d.digest == rows["thinet", "0.5", "rewind", 0]["digests"]["pruned"]))
    assert not same(inherited, by_hand(first_weights(), kept))


def test_only_rewound_networks_share_the_bases_initial_weights(swept):
    rows, stages, by_digest, *_ = swept
    begun = first_weights()
    for method, name in (("thinet", "features.3.weight"), ("magnitude", "features.3.weight")):
        row = rows[method, "0.5", "scratch-e", 0]
        small, masks = architecture_of(row["architecture"]), by_digest[row["digests"]["pruned"]].folder / "masks.safetensors"
        fresh = build(small, seed_of(0, "scratch", small.digest), masks if small.masks else None).state_dict()[name]
        if method == "magnitude":
            stay = read_weights(masks)[name]
            theirs, fresh = begun[name][stay], fresh[stay]
        else:
            theirs = by_hand(begun, row["kept"])[name]
            assert abs(correlated(fresh, begun[name][:16, :16])) < 0.1
        assert abs(correlated(fresh, theirs)) < 0.1


def test_tickets_are_trained_as_the_base_was(swept):
    rows, _, by_digest, *_ = swept
    for method in ("thinet", "magnitude"):
        rewound, early, scratch, tuned = (rows[method, "0.5", p, 0] for p in ("rewind", "rewind-early", "scratch-e", "finetune"))
        assert len({r["digests"]["architecture"] for r in (rewound, early, scratch)}) == 1 and rewound["kept"] == scratch["kept"]
        assert len({r["digests"]["final"] for r in (rewound, early, scratch, tuned)}) == 4
        assert (rewound["metrics"]["epochs"], early["metrics"]["epochs"], scratch["metrics"]["epochs"]) == (3, 2, 3)
        for row, epochs in ((rewound, 3), (early, 2)):
            assert row["ledger"]["retrain"]["epochs"] == epochs and row["ledger"]["retrain"]["images"] == 64 * epochs
            assert {k: row["ledger"][k] for k in ("pretrain", "prune")} == {k: tuned["ledger"][k] for k in ("pretrain", "prune")}
            assert row["scratch_epochs"] is None and row["ledger"]["formula"].startswith("K1") and "K1 = 3" in row["ledger"]["formula"]


def test_masks_hold_while_a_ticket_is_trained(swept):
    rows, _, by_digest, *_ = swept
    for protocol in ("rewind", "rewind-early"):
        row = rows["magnitude", "0.5", protocol, 0]
        masks = read_weights(by_digest[row["digests"]["pruned"]].folder / "masks.safetensors")
        final = weights(by_digest[row["digests"]["final"]])
        assert all(not final[n][~mask].any() and final[n][mask].all() for n, mask in masks.items())


def test_without_momentum_an_undone_pruning_is_the_base(settings, tiny, read):
    """All channels kept: rewound to its beginning or its first epoch the network becomes the base again, bit for bit."""
    file = settings().data.parent / "all.py"
    file.write_text("from dataclasses import dataclass\nfrom benchbase import Method, Selection\n@dataclass(frozen=True)\nclass All(Method):\n"
                    "    name = 'all'\n    target = 'automatic'\n    def select(self, net, data, budget):\n        return Selection()\n")
    sweep = run_suite(tiny(methods=(f"{file}:All",), protocols=("rewind", "rewind-early"), recipe=SUITE["recipe"]), settings())
    assert sweep.exit_code == 0
    for row in read(settings().leaderboard).values():
        assert row["digests"]["final"] == row["digests"]["plain"]


def test_no_method_is_called_again(settings, tiny, own):
    suite = {"methods": (own("Threshold"),), "budgets": ("0.3",), "recipe": {"epochs": 2, "batch_size": 32}}
    assert run_suite(tiny(protocols=("one-shot",), **suite), settings()).exit_code == 0
    seen = []
    assert run_suite(tiny(protocols=("rewind", "rewind-early"), **suite), settings(), observe=seen.append).exit_code == 0
    assert [e.kind for e in seen if not e.cached] == ["rewind", "train", "measure", "train", "rewind", "train", "measure"]


def test_an_early_epoch_is_of_the_methods_own_base(settings, tiny, own, read):
    """The penalty was on from the first step."""
    suite = tiny(methods=(own("Threshold"),), budgets=("0.3",), protocols=("rewind-early",), recipe={"epochs": 2, "batch_size": 32})
    bench = open_suite(suite, settings())
    made = plan(bench.cells, bench.machine, bench.do)
    assert [e.epochs for e in made.entries if e.kind == "train"] == [2, 2, 1, 1] and all(e.macs > 0 for e in made.entries if e.kind == "train")
    [outcome] = experiment(bench.cells[0], bench.machine, Planner(bench.do))
    keys = [outcome.early.key, outcome.ready.base.own.key, outcome.ready.base.plain.key]
    assert len(set(keys)) == 3
    assert run_suite(suite, settings()).exit_code == 0
    early = Store(settings().store).get(keys[0])
    assert early.info["epochs"] == 1 and early.info["images"] == 64
    scales = torch.cat([w for n, w in weights(early).items() if n.startswith("features") and n.endswith("weight") and w.dim() == 1])
    assert not torch.equal(scales, torch.ones_like(scales))


def test_nothing_left_to_train(settings, tiny):
    sweep = run_suite(tiny(protocols=("rewind-early", "rewind"), recipe={"epochs": 1, "batch_size": 32}), settings())
    assert [(cell.split(":")[0], kind) for cell, kind, _ in sweep.failures] == [("rewind-early", "not_applicable")] and len(sweep.records) == 1
    assert "nothing is left to train" in load_failures(settings().leaderboard)[0].message


def test_the_plan(swept, tiny):
    *_, place, before = swept
    count = before.count("train")  # a base; the base's first epoch; four protocols for each of two methods
    assert count["distinct"] == 1 + 1 + 4 * 2 and not before.refused
    after = plan_suite(tiny(**SUITE), place)
    assert [after.count(kind)["to_run"] for kind in ("train", "prune", "rewind", "measure")] == [0, 0, 0, 0]
    assert after.count("rewind")["distinct"] == 4
