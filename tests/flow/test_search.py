"""A method that searches for the training that meets its budget: what is tried, taken and paid for."""
from __future__ import annotations

import pytest

from benchbase.flow.plan import Planner
from benchbase.flow.run import open_suite, plan_suite, run_suite
from benchbase.values.budget import Budget
from benchbase.values.record import load_failures

SAID = {"budgets": ("0.05",), "protocols": ("one-shot", "finetune-matched", "scratch-matched")}
CHANNELS = 2 * 32 + 4 * 64


def test_the_nearest_of_all_is_taken_and_all_are_paid_for(settings, tiny, own, read):
    """Of 320 channels 16 are to go. 0, 2, 24 and 8 are tried: 24 and 8 are equally near, the first of them is taken."""
    suite, seen = tiny(methods=(own("Dialled"),), **SAID), []
    before = plan_suite(suite, settings())
    assert before.at_most and before.count("train")["distinct"] == 1 + 4 + 2 and before.count("prune")["distinct"] == 4
    assert all(e.macs > 0 for e in before.entries if e.kind == "train" and e.label.startswith("base"))
    sweep = run_suite(suite, settings(), observe=seen.append)
    assert sweep.exit_code == 0 and sweep.trained == 1 + 4 + 2
    rows = read(settings().leaderboard)
    shot, inherited, fresh = (rows["dialled", "0.05", p, 0] for p in SAID["protocols"])
    assert shot["achieved"]["channels"] == 24 / CHANNELS and len(shot["kept"]["features.0"]) == 8
    dense = shot["unpruned"]["macs"]
    for row in (shot, inherited, fresh):
        pretrain, prune = row["ledger"]["pretrain"], row["ledger"]["prune"]
        assert (pretrain["epochs"], prune["epochs"], prune["images"]) == (2, 3 * 2, 3 * 2 * 64)
        assert (pretrain["macs"], prune["macs"]) == (3 * 2 * 64 * dense, 3 * 3 * 2 * 64 * dense) and prune["seconds"] > pretrain["seconds"]
    # gate 4: the searching is charged to both sides
    epoch = 3 * 64 * fresh["metrics"]["macs"]
    spent = [sum(inherited["ledger"][k]["macs"] for k in ("pretrain", "prune", "retrain")), fresh["ledger"]["retrain"]["macs"]]
    assert 0 <= spent[0] - spent[1] < 2 * epoch
    after = plan_suite(suite, settings())
    assert not after.at_most and after.count("train") == {"asked": 7, "distinct": 7, "cached": 7, "to_run": 0}
    assert run_suite(suite, settings()).trained == 0


def test_a_search_that_ends_early_runs_no_more(settings, tiny, own):
    sweep = run_suite(tiny(methods=(own("Dialled[levels=8/2]"),), budgets=("0.05",), protocols=("one-shot",)), settings())
    assert sweep.exit_code == 0 and sweep.trained == 1 + 2


def test_nothing_to_prune_in_any_trial(settings, tiny, own):
    suite = tiny(methods=(own("Dialled[levels=0]"),), budgets=("0.05",), protocols=("one-shot",))
    assert run_suite(suite, settings()).exit_code == 0
    [failure] = load_failures(settings().leaderboard)
    assert failure.kind == "not_applicable" and failure.message.startswith("no filter is zero")
    bench = open_suite(suite, settings())
    assert plan_suite(suite, settings()).refused and not Planner(bench.do).entries


@pytest.mark.parametrize(("budget", "unit", "expected"), [
    (Budget(ratio=0.5), "blocks", 0.1), (Budget(ratio=0.5), "channels", 0.5), (Budget(macs=0.5), "blocks", 0.2), (Budget(params=0.5), "blocks", 0.1),
    (Budget(macs=0.5), "weights", 0.3), (Budget(params=0.5), "weights", 0.4), (Budget(widths={"a": 1}), "blocks", 0.0)])
def test_how_far_from_what_was_asked(budget, unit, expected):
    achieved = {"blocks": 0.4, "channels": 0.0, "weights": 0.9, "macs": 0.7, "params": 0.6, "macs_nonzero": 0.8, "nonzero": 0.9}
    assert budget.missed(achieved, unit) == pytest.approx(expected)
