"""A sweep stage by stage: what can run, what waits, each once, and the same records as a sweep cell by cell."""
from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest

from benchbase.errors import BenchError
from benchbase.flow.do import Event, Running
from benchbase.flow.run import plan_suite, run_suite
from benchbase.plugin.manager import Offer, load_plugins


class OneByOne:
    """Runs the last stage given first, here; what `lose` names is lost."""

    name = "one-by-one"

    def __init__(self, lose: str = "") -> None:
        self.lose, self.given, self.room = lose, [], None

    @contextmanager
    def pool(self, make, room, tell):
        self.work, self.steps, self.room = make(tell), [], room
        yield self

    def give(self, step):
        assert step.key not in self.given
        self.given.append(step.key)
        self.steps.append(step)

    def ended(self):
        step = self.steps.pop()
        if self.lose and self.lose in step.label:
            return [(step, BenchError("its node has gone", "", "infra_error"))]
        return [(step, self.work(step))]


@pytest.fixture
def swept(settings):
    def run(suite, executor, **changes):
        """A sweep whose stages `executor` runs, and what was told of it."""
        plugins, told = load_plugins(), []
        plugins.offers("executors")
        plugins.gathered["executors"] += (Offer("executors", executor.name, executor, "own", None, None),)
        return run_suite(suite, settings(executor=executor.name, **changes), plugins, told.append, told.append), told
    return run


def facts(folder, read):
    """What records say of results."""
    return {key: (row["metrics"], row["unpruned"], row["digests"], row["correct"], row["shared_with"]) for key, row in read(folder).items()}


def test_it_runs_what_a_sweep_cell_by_cell_runs(swept, settings, tiny, own, read, tmp_path):
    """Widths after another method's, a search, a base of one's own, lottery tickets: every stage once, and the same records."""
    suite = tiny(methods=(own("Threshold"), "random", own("Dialled")), budgets=("0.5", f"{own('Threshold')}@0.5"),
                 protocols=("one-shot", "scratch-e", "rewind-early"), recipe={"epochs": 3, "batch_size": 32})
    planned, executor = plan_suite(suite, settings()), OneByOne()
    sweep, told = swept(suite, executor)
    ran = [item for item in told if isinstance(item, Event) and item.kind == "train" and not item.cached]
    assert len(ran) == len({event.key for event in ran}) == sweep.trained <= planned.count("train")["to_run"]
    assert len(executor.given) == len(set(executor.given)) and (executor.room.cpus, executor.room.gpus, executor.room.memory) == (1, 0, 0)
    plain = run_suite(suite, replace(settings(), store=tmp_path / "store2", leaderboard=tmp_path / "board2"))
    assert facts(tmp_path / "board", read) == facts(tmp_path / "board2", read) and len(set(sweep.records)) == len(set(plain.records)) >= 12
    assert (sweep.trained, sweep.asked, sorted(sweep.failures)) == (plain.trained, plain.asked, sorted(plain.failures))
    assert any(isinstance(item, Running) and 0 < item.done < 1 for item in told)


def test_what_fails_is_recorded_once_and_takes_no_more_than_it_must(swept, tiny, own):
    suite = tiny(methods=(own("Broken"), "l1-norm"), protocols=("one-shot", "scratch-e"))
    executor = OneByOne()
    sweep, _ = swept(suite, executor)
    assert sweep.exit_code == 1 and len(sweep.records) == 2 and len(sweep.lost) == 1
    assert [(kind, "this method does not work" in what) for _, kind, what in sweep.failures] == [("method_error", True)]
    again, _ = swept(suite, OneByOne())
    assert again.trained == 0 and len(again.failures) == 1


def test_a_stage_that_was_lost_for_good_fails_what_stands_on_it_and_runs_another_time(swept, tiny):
    suite = tiny(protocols=("one-shot", "finetune", "scratch-e"))
    sweep, _ = swept(suite, OneByOne("finetune"))
    assert len(sweep.records) == 2 and [(cell.partition(":")[0], kind) for cell, kind, _ in sweep.failures] == [("finetune", "infra_error")]
    again, _ = swept(suite, OneByOne())
    assert (again.exit_code, again.trained, len(again.records)) == (0, 1, 3)


def test_a_cluster_needs_an_executor_that_has_one(settings, tiny):
    with pytest.raises(BenchError, match="the executor serial has no cluster"):
        run_suite(tiny(), settings(address="auto"))
