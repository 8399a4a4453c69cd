"""Cells that fail: kept as facts, told apart, and no trouble of the others."""
from __future__ import annotations

import pytest

from benchbase.errors import BenchError
from benchbase.flow.run import plan_suite, run_suite
from benchbase.values.record import load_failures, load_records


def failures(settings):
    return {(f.method.name, f.protocol): f for f in load_failures(settings.leaderboard)}


def test_a_protocol_that_diverges_is_a_failure_and_the_others_finish(settings, tiny):
    here = settings()
    sweep = run_suite(tiny(protocols=("one-shot", "finetune", "scratch-e"), finetune={"epochs": 1, "lr": 1e30}), here)
    assert sweep.exit_code == 1 and len(sweep.records) == 2
    [(cell, kind, what)] = sweep.failures
    assert kind == "diverged" and cell.startswith("finetune: l1-norm 0.5") and "epoch 1 of 1" in what
    [failure] = load_failures(here.leaderboard)
    assert (failure.protocol, failure.kind) == ("finetune", "diverged") and "learning rate (1e+30)" in failure.message
    assert "loop.py" in failure.traceback
    assert failure.versions["torch"] and failure.device["type"] == "cpu" and "/" not in failure.traceback
    assert {r.protocol for r in load_records(here.leaderboard)} == {"one-shot", "scratch-e"}


def test_a_base_that_diverges_fails_its_cell_and_no_other(settings, tiny, own):
    here = settings()
    sweep = run_suite(tiny(methods=(own("Exploding"), "l1-norm"), protocols=("finetune", "scratch-e")), here)
    assert sweep.exit_code == 1 and len(sweep.records) == 2
    assert [(kind, cell.split()[0]) for cell, kind, _ in sweep.failures] == [("diverged", "exploding")]
    assert {r.method.name for r in load_records(here.leaderboard)} == {"l1-norm"} and list(failures(here)) == [("exploding", "")]


def test_failures_are_remembered_and_written_once(settings, tiny, own):
    here = settings()
    suite = tiny(methods=(own("Exploding"),))
    first, second = run_suite(suite, here), run_suite(suite, here)
    assert first.failures == second.failures and second.trained == 0 and len(load_failures(here.leaderboard)) == 1
    plan = plan_suite(suite, here)
    assert plan.refused and "diverged" in plan.refused[0][1] and plan.count("train")["to_run"] == 0


@pytest.mark.parametrize(("method", "kind", "words"), [
    ("Broken", "method_error", "this method does not work"), ("Unsteady", "method_error", "no such thing"), ("Magnitude[nope=1]", None, "nope")])
def test_methods_that_fail(settings, tiny, own, method, kind, words):
    here = settings()
    suite = tiny(methods=(own(method), "l1-norm"), protocols=("one-shot",))
    if kind is None:
        with pytest.raises(BenchError, match=words):
            run_suite(suite, here)
        assert not here.store.exists() and not here.leaderboard.exists()
        return
    sweep = run_suite(suite, here)
    assert [(k, words in what) for _, k, what in sweep.failures] == [(kind, True)] and len(sweep.records) == 1 and sweep.exit_code == 1
    [failure] = load_failures(here.leaderboard)
    assert failure.method.distribution is None and len(failure.method.source) == 64 and "own_methods.py" in failure.traceback


def test_what_does_not_apply_is_no_failure(settings, tiny):
    here = settings()
    suite = tiny(models=("resnet-digits",), budgets=("0.5", "macs=0.97"), protocols=("one-shot",), recipe={"epochs": 1})
    sweep = run_suite(suite, here)
    assert sweep.exit_code == 0 and len(sweep.records) == 1
    [(_, kind, what)] = sweep.failures
    assert kind == "not_applicable" and "out of reach" in what and sweep.trained == 1
    assert [why for _, why in plan_suite(suite, here).refused] == [what]


def test_a_budget_that_empties_a_layer_is_the_users_error(settings, tiny):
    here = settings()
    with pytest.raises(BenchError, match="leaves nothing of features") as error:
        run_suite(tiny(budgets=("0.99",)), here)
    assert error.value.kind == "usage" and not here.leaderboard.exists() and not list(here.store.glob("??/*/stage.json"))


def test_more_epochs_than_a_recipe_may_have(settings, tiny):
    here = settings()
    sweep = run_suite(tiny(recipe={"epochs": 2, "batch_size": 32}, protocols=("one-shot", "scratch-b"), budgets=("0.9",)), here)
    assert sweep.exit_code == 0 and len(sweep.records) == 2
    plan = plan_suite(tiny(recipe={"epochs": 90_000}, protocols=("finetune", "scratch-b")), here)
    assert [(cell.split(":")[0], "epochs" in why) for cell, why in plan.refused] == [("scratch-b", True)]


def test_a_worker_that_crashes_takes_no_other_cell_with_it(settings, tiny, own):
    here = settings(executor="processes")
    sweep = run_suite(tiny(methods=(own("Crash"), "l1-norm"), protocols=("one-shot",)), here)
    assert [(kind, cell.split()[0], what) for cell, kind, what in sweep.failures] == [("infra_error", "crash", "the worker process died (SIGSEGV)")]
    assert sweep.exit_code == 1
    assert [r.method.name for r in load_records(here.leaderboard)] == ["l1-norm"]
    assert "own_methods.py:232 in select" in failures(here)["crash", ""].traceback


def test_a_leaderboard_that_cannot_be_written_ends_it(settings, tiny):
    here = settings()
    here.leaderboard.write_text("a file")
    with pytest.raises(BenchError, match="cannot write") as error:
        run_suite(tiny(protocols=("one-shot",)), here)
    assert error.value.kind == "usage"


def test_an_unknown_executor(settings, tiny):
    with pytest.raises(BenchError, match="proceses.*\n.*processes"):
        run_suite(tiny(), settings(executor="proceses"))
