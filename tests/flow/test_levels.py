"""Levels of a plan: what can run side by side, what stays out, and names that do not change while a sweep goes on."""
from __future__ import annotations

import pytest

from benchbase.flow.levels import heights, levels
from benchbase.flow.named import run_named
from benchbase.flow.plan import Entry
from benchbase.flow.run import open_suite, plan_suite, run_suite
from benchbase.flow.single import MEASURES
from benchbase.plugin.manager import load_plugins


@pytest.fixture
def found(settings):
    def of(suite, **changes):
        bench = open_suite(suite, settings(**changes))
        return levels(bench.cells, bench.machine, bench.do)
    return of


def quiet(item):
    """Nobody watches."""


def test_heights_are_the_longest_way_to_a_stage_and_measuring_adds_none():
    """a -> measured m -> c (waits for a measure); b and a -> d; x is there."""
    needs = {"a": (), "x": (), "m": ("a",), "c": ("m", "x"), "b": ("x",), "d": ("c", "b")}
    entries = {key: Entry("measure" if key == "m" else "train", key, "", False, 1, needs=needed) for key, needed in needs.items()}
    height = heights(entries, lambda key: key == "x")
    assert {key: height(key) for key in needs} == {"a": 1, "x": 0, "m": 1, "c": 2, "b": 1, "d": 3}


def test_run_level_by_level_all_that_a_plan_knows_has_run(settings, tiny, own, found):
    """Widths after another method's, lottery tickets: every stage by the name that it had before anything ran, and then nothing is left to train."""
    suite = tiny(methods=(own("Threshold"), "random"), protocols=("one-shot", "scratch-e", "rewind-early"), recipe={"epochs": 3, "batch_size": 32})
    before, plugins = found(suite), load_plugins()
    planned = {entry.key for entry in plan_suite(suite, settings()).entries if entry.kind not in MEASURES}
    assert {named.key for level in before for named in level} == planned and len(before) >= 3
    for number, level in enumerate(before):
        assert {named.key for later in found(suite) for named in later} == {named.key for later in before[number:] for named in later}
        for named in level:
            came = run_named(suite, settings(), named.key, plugins, quiet, quiet)
            assert (came.error, came.reached, came.named.key) == (None, True, named.key), came
    sweep = run_suite(suite, settings())
    assert (sweep.trained, sweep.exit_code, found(suite)) == (0, 0, [])


def test_what_stands_on_a_failure_is_not_reached(settings, tiny, own, found):
    suite, plugins = tiny(methods=(own("Broken"),), protocols=("finetune",)), load_plugins()
    (base,), (pruned,), (tuned,) = found(suite)
    assert run_named(suite, settings(), base.key, plugins, quiet, quiet).exit_code == 0
    came = run_named(suite, settings(), pruned.key, plugins, quiet, quiet)
    assert (came.error.kind, came.exit_code) == ("method_error", 1)
    came = run_named(suite, settings(), tuned.key, plugins, quiet, quiet)
    assert (came.reached, came.exit_code) == (False, 1) and "this method does not work" in came.before
    assert found(suite) == [] and [len(level) for level in found(suite, rerun="failed")] == [1, 1]
