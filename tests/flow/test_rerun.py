"""Again: after an interruption, after a failure, or because it was asked for."""
from __future__ import annotations

import pytest

from benchbase.flow.plan import Planner
from benchbase.flow.run import open_suite, plan_suite, run_suite, who_shares
from benchbase.values.record import load_failures, load_records

TWO = {"methods": ("l1-norm", "random"), "protocols": ("one-shot", "scratch-e")}  # a base and a scratch training, shared


def stages(events):
    return sorted(e.kind for e in events if not e.cached)


def test_rerun_all_runs_shared_stages_once(settings, tiny):
    first, second, third = [], [], []
    run_suite(tiny(**TWO), settings(), observe=first.append)
    sweep = run_suite(tiny(**TWO), settings(rerun="all"), observe=second.append)
    assert sweep.trained == 2 and stages(first) == stages(second) != []
    assert stages(second).count("train") == 2 and stages(second).count("prune") == 2 == stages(second).count("resolve")
    run_suite(tiny(**TWO), settings(), observe=third.append)
    assert stages(third) == [] and len(load_records(settings().leaderboard)) == 4  # the same bits again: no reproductions


def test_planning_forgets_nothing(settings, tiny):
    run_suite(tiny(**TWO), settings())
    again = settings(rerun="all")
    assert plan_suite(tiny(**TWO), again).count("train") == {"asked": 4, "distinct": 2, "cached": 0, "to_run": 2}
    bench = open_suite(tiny(**TWO), again)
    who_shares(bench, Planner(bench.do))
    assert plan_suite(tiny(**TWO), settings()).count("train")["to_run"] == 0


def test_rerun_all_in_workers_is_once_too(settings, tiny):
    run_suite(tiny(**TWO), settings())
    sweep = run_suite(tiny(**TWO), settings(rerun="all", jobs=2))
    assert sweep.trained == 2 and sweep.exit_code == 0 and len(load_records(settings().leaderboard)) == 4


def test_rerun_failed_tries_only_what_failed(settings, tiny, own, tmp_path):
    suite = tiny(methods=("l1-norm", own(f"Broken[until={tmp_path / 'mended'}]")), protocols=("one-shot",))
    run_suite(suite, settings())
    (tmp_path / "mended").write_text("")
    assert run_suite(suite, settings()).exit_code == 1  # remembered: what the same inputs bring again
    seen = []
    sweep = run_suite(suite, settings(rerun="failed"), observe=seen.append)
    assert sweep.exit_code == 0 and stages(seen) == ["measure", "measure", "prune"] and len(load_records(settings().leaderboard)) == 2
    assert len(load_failures(settings().leaderboard)) == 1  # nothing is removed
    assert run_suite(suite, settings()).exit_code == 0


@pytest.mark.parametrize("after", [1, 3, 6])
def test_an_interrupted_sweep_goes_on_from_there(settings, tiny, after):
    seen = []

    def observe(event):
        seen.append(event)
        if len(seen) == after:
            raise KeyboardInterrupt
    stopped = run_suite(tiny(**TWO), settings(), observe=observe)
    assert stopped.stopped and stopped.exit_code == 130
    done = {e.key for e in seen if not e.cached}
    rest = []
    sweep = run_suite(tiny(**TWO), settings(), observe=rest.append)
    assert sweep.exit_code == 0 and len(sweep.records) == 4
    again = {e.key for e in rest if not e.cached}
    assert not done & again and len(done | again) == 2 + 2 + 2 + 1 + 4 + 1  # resolve, train, prune; base, one-shot twice each, scratch measured


def test_an_interrupt_in_mid_training_loses_that_stage_alone(settings, tiny):
    def watch(running):
        if running.kind == "train" and 0 < running.done < 1:
            raise KeyboardInterrupt
    here = settings()
    assert run_suite(tiny(), here, watch=watch).stopped
    assert not [p for p in here.store.rglob(".*")] and not load_records_or_none(here)
    assert run_suite(tiny(), here).exit_code == 0 and len(load_records(here.leaderboard)) == 3


def load_records_or_none(here):
    return load_records(here.leaderboard) if here.leaderboard.exists() else []


def test_a_longer_sweep_takes_what_is_there(settings, tiny):
    run_suite(tiny(), settings())
    sweep = run_suite(tiny(protocols=("one-shot", "finetune", "scratch-e", "scratch-b"), seeds=(0,)), settings())
    assert (sweep.asked, sweep.trained) == (4, 1)
    assert run_suite(tiny(finetune={"epochs": 2}), settings()).trained == 1
    assert run_suite(tiny(recipe={"epochs": 3, "batch_size": 32}), settings()).trained == 3
