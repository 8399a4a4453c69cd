from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from factory import BASE, TUNE, failure, judged, record, sha, sweep

from benchbase.board.stats import Spread
from benchbase.board.table import tables
from benchbase.values.budget import Budget


def row(records, failures=(), **more):
    """The one row of the one table."""
    (table,) = tables(records, failures, **more)
    (only,) = table.rows
    return only


def test_a_table_for_each_dataset_model_and_pair_of_recipes():
    other = replace(BASE, epochs=60)
    records = [record(), record(dataset="cifar10"), record(model="resnet-digits"), record(recipe=other), record(finetune=replace(TUNE, lr=0.01)),
               record(seed=1), record(method="thinet"), record(dataset__fingerprint=sha("other digits"))]
    found = tables(records)
    assert [(t.setting.dataset, t.setting.model, t.setting.recipe["epochs"]) for t in found] == [
        ("cifar10", "vgg-digits", 30), ("digits", "resnet-digits", 30), ("digits", "vgg-digits", 60), *[("digits", "vgg-digits", 30)] * 3]
    assert [len(t.rows) for t in found[:3]] == [1, 1, 1] and sorted(len(t.rows) for t in found[3:]) == [1, 1, 2]
    assert tables([]) == []


def test_a_row_for_each_method_with_parameters_and_budget():
    records = [record(method="thinet", params={"images": i, "refit": True}, budget=Budget(ratio=r, name=name), seed=s)
               for i in (64, 256) for r, name in ((0.5, "0.5"), (0.5, "half"), (0.7, "0.7")) for s in range(2)]
    (table,) = tables(records)
    assert [r.label for r in table.rows] == ["thinet[images=256] 0.5", "thinet[images=64] 0.5", "thinet[images=256] 0.7", "thinet[images=64] 0.7"]
    assert all(r.seeds == (0, 1) for r in table.rows)


def test_numbers_by_hand():
    got = row(sweep({"one-shot": [90, 80, 100], "finetune": [850, 860, 870], "scratch-e": [855, 855, 855]}, n=1000, base_right=900)
              + [record(protocol="scratch-b", seed=0, n=1000, base_right=900, right=865)])
    tuned = got.entry("finetune")
    assert (tuned.mean, tuned.std, tuned.n, tuned.seeds) == (86.0, 1.0, 3, (0, 1, 2))
    assert got.entry("scratch-e").std == 0 and got.entry("scratch-b").std is None and got.entry("scratch-b").mean == 86.5
    assert got.entry("unpruned").mean == 90 and got.entry("unpruned").epochs == Spread(30, 30, 30)
    assert got.entry("one-shot, BN recomputed").mean == 50 and got.entry("one-shot").mean == 9
    assert [e.protocol for e in got.entries] == ["unpruned", "one-shot", "one-shot, BN recomputed", "finetune", "scratch-e", "scratch-b"]
    assert row(sweep({"finetune": [898]})).entry("finetune").mean == 100.0


def test_epochs_and_sizes_vary_with_the_seed():
    records = [record(protocol="scratch-b", seed=s, width=w, metrics__epochs=e) for s, w, e in ((0, 16, 120), (1, 32, 60), (2, 16, 120))]
    got = row(records)
    assert got.entry("scratch-b").epochs == Spread(100, 60, 120)
    assert got.size.macs == Spread(2_000_000 / 3, 500_000, 1_000_000) and got.size.params.low == 70_000
    assert got.size.speedup == pytest.approx(3.0) and got.size.compression == pytest.approx(140 / (280 / 3))


def test_the_dense_controls_say_nothing_of_the_pruned_network():
    got = row([record(), record(protocol="unpruned-long", seed=1, width=64, architecture__masks=sha("none"))])
    assert got.size.params == Spread(70_000, 70_000, 70_000) and got.kind == "structured" and got.goal.achieved.mean == 0.5


def test_weight_rows_count_what_is_not_zero_and_stand_apart():
    masked = {"architecture__masks": sha("mask"), "architecture__shapes": {}, "architecture__widths": {}, "kept": {}}
    from benchbase.values.architecture import Architecture
    architecture = Architecture("vgg-digits", 10, (1, 8, 8), masks=sha("mask"))
    size = {"metrics__params": 140_000, "metrics__macs": 2_000_000, "metrics__nonzero": 14_000, "metrics__macs_nonzero": 100_000}
    small = [record(method="magnitude", budget=Budget(ratio=0.9), digests__architecture=architecture.digest, **masked, **size)]
    (table,) = tables([*small, record(budget=Budget(ratio=0.99))])
    assert [r.kind for r in table.rows] == ["structured", "weights"] == list(table.kinds)
    got = table.rows[1]
    assert (got.size.compression, got.size.speedup) == (10, 20)
    assert got.goal.unit == "weights" and got.goal.achieved.mean == pytest.approx(0.9)
    named = row([record(method="magnitude", budget=Budget(params=0.95), digests__architecture=architecture.digest, **masked, **size)])
    assert named.goal.achieved.mean == pytest.approx(0.9) and named.goal.missed


def test_gaps_are_paired_by_seed_whatever_the_order():
    tuned, scratch = [800, 850, 900], [790, 845, 898]
    records = sweep({"finetune": tuned, "scratch-b": scratch}, n=1000) + [record(protocol="scratch-e", seed=1, right=700, n=1000),
                                                                         record(protocol="finetune", seed=3, right=1, n=1000)]
    random.Random(0).shuffle(records)
    got = row(records)
    paper, same = got.gap("paper"), got.gap("same epochs")
    assert paper.seeds == (0, 1, 2) and paper.interval.mean == pytest.approx((10 + 5 + 2) / 30)
    half = 4.302652729911275 * ((4.333333333 ** 2 + 0.666666667 ** 2 + 3.666666667 ** 2) / 2 / 3) ** 0.5 / 10
    assert paper.interval.high - paper.interval.mean == pytest.approx(half, rel=1e-6)
    assert same.interval.mean == pytest.approx(15.0) and same.interval.low is None
    assert got.gap("matched") is None and got.verdict.word == ""


def test_a_difference_is_that_of_the_means_where_all_seeds_pair():
    got = row(sweep({"finetune": [801, 855, 903], "scratch-e": [790, 845, 898]}, n=1000))
    assert got.gap("same epochs").interval.mean == pytest.approx(got.entry("finetune").mean - got.entry("scratch-e").mean)


@pytest.mark.parametrize(("gap", "word"), [(0, "architecture is enough"), (20, "weights matter"), (-20, "scratch is better"),
                                             (4, "weights help a little")])
def test_the_verdict_of_a_full_row(gap, word):
    (table,) = tables(judged(gap))
    assert table.rows[0].verdict.word == word and table.rows[0].verdict.reasons == () and table.words == {word: 1}
    assert table.delta == 0.5 and table.base.converged


def test_each_gate_that_a_row_fails_withholds_the_word_and_says_so():
    full = judged(20)
    four = [r for r in full if r.seed < 4]
    cases = {
        "4 of 5 seeds": (four, []),
        "base not known to have converged": ([r for r in full if r.protocol != "unpruned-long"], []),
        "base not converged": (judged(20, long=880), []),
        "1 failed seed": (full, [failure(protocol="scratch-matched", seed=5)]),
        "seeds have gaps": (full, [failure(protocol="one-shot", seed=7)]),
        "unequal compute": ([*full[5:], *sweep({"finetune-matched": [870 + s for s in range(5)]}, ledger__prune={"macs": 5 * 10**11})], []),
        "runs that are no pairs": ([*full[1:], record(protocol="finetune-matched", right=870, digests__plain=sha("another base"))], []),
    }
    for reason, (records, failures) in cases.items():
        assert row(records, failures).verdict == replace(row(full).verdict, word="", reasons=(reason,)), reason


def test_a_failed_seed_of_the_whole_cell_is_a_failed_seed_of_the_gap():
    assert "1 failed seed" in row(judged(20), [failure(protocol="", seed=5)]).verdict.reasons
    assert "1 failed seed" in row(judged(20), [failure("not_applicable", protocol="", seed=5)]).verdict.reasons  # it applied to the others only
    assert row(judged(20), [failure(protocol="scratch-e", seed=5)]).verdict.word == "weights matter"  # of another gap


def test_diverged_seeds_stay_in_the_row_counted():
    got = row(sweep({"finetune": [850, 860], "scratch-e": [850, 860]}), [failure(protocol="scratch-b", seed=s) for s in (0, 1, 2)])
    assert got.seeds == (0, 1, 2) and got.lost == {"diverged": 3}
    assert got.entry("scratch-b").n == 0 and got.entry("scratch-b").mean is None and len(got.entry("scratch-b").failed) == 3
    assert any("3 seeds diverged in scratch-b: the loss is not finite" in flag for flag in got.flags)


def test_a_cell_that_failed_is_a_failure_of_what_the_seed_lacks():
    got = row(sweep({"finetune": [850, 860], "scratch-e": [850]}), [failure(protocol="", seed=1)])
    assert [(m.seed, m.protocol) for m in got.missing] == [(1, "scratch-e")]
    assert row([], [failure(protocol="", seed=0), failure(protocol="", seed=1)]).lost == {"diverged": 2}


def test_a_failure_that_was_mended_counts_no_more():
    assert row(sweep({"finetune": [850]}), [failure(protocol="finetune", seed=0)]).missing == ()
    early, late = (failure(protocol="").model_copy(update={"started": f"{year}-01-01T00:00:00Z"}) for year in (2024, 2026))
    assert row(sweep({"finetune": [850]}), [early]).missing == () == row(sweep({"finetune": [850]}), [late]).missing  # whatever clocks say


def test_what_does_not_apply_has_a_row_of_its_own():
    (table,) = tables([record()], [failure("not_applicable", method="sss", protocol="", seed=s) for s in range(3)])
    sss = table.rows[1]
    assert sss.lost == {"not_applicable": 3} and sss.size is None and sss.entries == () and sss.flags == ("not applicable: the loss is not finite",)
    (alone,) = tables([], [failure()])
    assert alone.setting.dataset == "digits" and alone.base.converged is None


@pytest.mark.parametrize("seeds", [(1, 2, 3), (0, 2), (5,), (0, 1, 2, 4)])
def test_seeds_that_were_picked_are_flagged(seeds):
    assert any("may have been picked" in flag for flag in row([record(seed=s) for s in seeds]).flags)
    assert not any("picked" in flag for flag in row([record(seed=s) for s in range(4)]).flags)


def test_protocols_with_fewer_seeds_are_flagged():
    assert row(sweep({"finetune": [1, 2, 3], "scratch-e": [1]})).flags == ("scratch-e lacks seeds 1-2",)


def test_repeats_of_a_key_are_no_further_seeds():
    first, second = record(right=850), record(right=870, started="2025-06-01T00:00:00Z", final=sha("again"))
    for records in ([first, second], [second, first]):
        got = row(records)
        assert got.entry("finetune").values == ((0, 100 * 850 / 898),) and got.repeats == 1
        assert got.flags == ("reproduced: 1 of 1 records run again, top-1 within 2.23 points",)
    given = row([second], repeats=[first])
    assert given.entry("finetune").mean == pytest.approx(100 * 870 / 898) and given.repeats == 1


def test_a_correction_stands_for_what_it_supersedes_in_its_own_cell_only():
    wrong = record(right=100)
    right = record(right=800, method__version=2, supersedes=wrong.key)
    assert [r.who.version for r in tables([wrong, right])[0].rows] == [2]
    thief = record(right=800, method="mine", supersedes=wrong.key)
    assert len(tables([wrong, thief])[0].rows) == 2
    again = record(right=800, supersedes=wrong.key, started="2025-06-01T00:00:00Z")
    assert again.key == wrong.key and row([again, wrong]).entry("finetune").mean > 80


@pytest.mark.parametrize(("budget", "achieved", "missed"), [
    (Budget(ratio=0.5), {"channels": 0.5199}, False), (Budget(ratio=0.5), {"channels": 0.53}, True), (Budget(ratio=0.5), {"channels": 0.479}, True),
    (Budget(macs=0.75), {}, False), (Budget(macs=0.7), {}, True), (Budget(params=0.5), {}, False), (Budget(params=0.53), {}, True)])
def test_asked_and_achieved(budget, achieved, missed):
    got = row([record(budget=budget, achieved={"channels": 0.5, **achieved})])  # 1/2 of the parameters, 1/4 of the multiply-adds are left
    assert got.goal.missed is missed and any("beyond 2 points" in flag for flag in got.flags) is missed


def test_one_seed_that_misses_is_a_miss():
    got = row([record(seed=s, achieved={"channels": 0.5 + d}) for s, d in enumerate((0.05, -0.05))])
    assert got.goal.missed and got.goal.achieved.mean == pytest.approx(0.5)


def test_a_ratio_of_channels_is_not_one_of_parameters():
    got = row([record(budget=Budget(ratio=0.5), achieved={"channels": 0.5, "params": 0.75, "macs": 0.74})])
    assert got.goal.unit == "channels" and not got.goal.missed


def test_shares_are_derived_from_counts_not_read():
    got = row([record(budget=Budget(macs=0.75), achieved={"macs": 0.1, "params": 0.1})])
    assert got.goal.achieved.mean == 0.75 and not got.goal.missed


def test_layers_left_whole_or_saved_are_named():
    kept = {"conv1": [0, 1], "conv2": [0, 1, 2]}
    assert row([record(kept=kept, architecture__widths={"conv1": 2})]).flags == ("left at full width: 1 layer (conv2)",)
    named = Budget(ratios={"conv1": 0.5})
    assert row([record(kept=kept, architecture__widths={"conv1": 2}, budget=named)]).flags == ()
    assert row([record(rescued=["conv9"])]).flags == ("saved from emptiness with their best channel: 1 layer (conv9)",)


def test_unpublished_methods_are_marked():
    got = row([record(method__distribution=None, method__distribution_version=None, method__source=sha("mine.py"))])
    assert not got.who.published and got.flags == (f"unpublished: a method from a file (sha256 {sha('mine.py')[:12]})",)
    assert row([record()]).who.published and row([record()]).who.distribution == "benchbase 0.1"


def test_the_methods_own_base_stands_beside_the_plain_one():
    sparse = {"top1": 90.0, "top5": None, "loss": 0.3, "params": 140_000, "macs": 2_000_000, "nonzero": 140_000, "macs_nonzero": 2_000_000}
    got = row([record(seed=s, sparse_base=sparse, digests__base=sha("sparse", s)) for s in range(2)])
    assert got.entry("own base").mean == 90 and got.entry("unpruned").mean == pytest.approx(100 * 870 / 898)
    assert [e.protocol for e in got.entries][:2] == ["unpruned", "own base"]


def test_one_base_a_seed_is_the_control_of_all_rows():
    (table,) = tables([record(), record(method="thinet", digests__plain=sha("another machine"))])
    assert len(table.flags) == 1 and "several bases for seed 0" in table.flags[0]
    assert tables([record(), record(method="thinet")])[0].flags == ()
    shots = [record(protocol="one-shot", method=m, digests__calibration=sha(m)) for m in ("l1-norm", "thinet")]
    assert "several calibration sets" in tables(shots)[0].flags[0]


def test_top5_and_plugins_metrics_come_along():
    got = row([record(seed=s, metrics__top5=98.0 + s, metrics__extra={"robustness": 1.0 + s}) for s in range(3)])
    found = {m.name: (m.mean, m.std, m.n) for m in got.entry("finetune").measures}
    assert found == {"top5": (99, 1, 3), "loss": (0.25, 0, 3), "robustness": (2, 1, 3)}


def test_the_same_tables_in_any_order():
    records = [*judged(3), *judged(2, method="thinet"), record(dataset="cifar10"), record(right=1, started="2024-01-01T00:00:00Z")]
    failures = [failure(seed=6, protocol=""), failure(seed=6), failure("oom", seed=6), failure(method="sss")]
    one = tables(records, failures)
    for seed in range(3):
        mix = random.Random(seed)
        assert tables(mix.sample(records, len(records)), mix.sample(failures, len(failures))) == one


def test_rows_stand_by_budget_then_by_method():
    budgets = [Budget(ratio=0.7), Budget(ratio=0.3), Budget(macs=0.5), Budget(params=0.5), Budget(ratios={"conv*": 0.5}, name="vgg16-a")]
    (table,) = tables([record(method=m, budget=b) for b, m in itertools.product(budgets, ("thinet", "l1-norm"))])
    assert [r.label for r in table.rows] == [f"{m} {b}" for b in ("0.3", "0.7", "macs=0.5", "params=0.5", "vgg16-a") for m in ("l1-norm", "thinet")]
