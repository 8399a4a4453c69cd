from __future__ import annotations

import pytest

from benchbase.errors import BenchError
from benchbase.flow.part import foreseen_suite, left_out, part_of
from benchbase.flow.run import open_suite, run_suite
from benchbase.flow.settings import Settings


@pytest.fixture(scope="module")
def ran(tiny, tmp_path_factory):
    """A store where one cell of the suite has run: settings, suite of two methods and three seeds, the sweep."""
    root = tmp_path_factory.mktemp("part")
    place, suite = Settings(root / "store", root / "data", root / "board", device="cpu"), tiny(methods=("l1-norm", "random"), seeds=(0, 1, 2))
    return place, suite, run_suite(tiny(), place)


def test_nothing_is_known_of_an_empty_store(tiny, settings):
    assert foreseen_suite(tiny(), settings())[1].seconds is None
    with pytest.raises(BenchError, match="nothing like this suite has run"):
        part_of(tiny(), settings(), 100)


def test_a_forecast_is_of_the_whole_plan(ran):
    place, suite, _ = ran
    plan, ahead = foreseen_suite(suite, place)
    assert (plan.cells, plan.count("train")) == (6, {"asked": 18, "distinct": 12, "cached": 3, "to_run": 9}) and ahead.seconds > 0 and 0.15 <= ahead.within <= 1.5
    assert foreseen_suite(suite, Settings(**{**vars(place), "jobs": 2}))[1].seconds == pytest.approx(ahead.seconds / 2)


def test_seed_after_seed(ran):
    """Time for all but a little: what is left out is of the last seed alone."""
    place, suite, _ = ran
    whole = foreseen_suite(suite, place)[1].seconds
    everything = part_of(suite, place, 1.01 * whole)
    assert everything.numbers == tuple(range(6)) and everything.left_out == () and everything.seconds == pytest.approx(whole)
    most = part_of(suite, place, 0.99 * whole)
    assert most.cells == 6 and len(most.numbers) == 5 and [seeds for _, seeds in most.left_out] == [(2,)] and most.seconds < 0.99 * whole
    first = part_of(suite, place, 0.01)
    assert first.numbers == (0,) and first.seconds == 0.0  # the cell that has run
    assert first.left_out == (("l1-norm 0.5 vgg-digits synthetic", (1, 2)), ("random 0.5 vgg-digits synthetic", (0, 1, 2)))
    cells = open_suite(suite, place).cells
    assert left_out(cells, range(6)) == ()
    two = Settings(**{**vars(place), "jobs": 2})
    assert part_of(suite, two, 0.51 * whole).numbers == tuple(range(6))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_part_runs_as_the_suite_would_run_it(ran, tmp_path, read, jobs):
    """Cells 4 and 1, of random with seed 1 and l1-norm with seed 1: theirs are the only records, by any executor."""
    place, suite, _ = ran
    sweep = run_suite(suite, Settings(place.store, place.data, tmp_path / "board", device="cpu", jobs=jobs, cells=(4, 1)))
    assert sweep.cells == 2 and {(key[0], key[3]) for key in read(tmp_path / "board")} == {("random", 1), ("l1-norm", 1)}
    if sweep.trained:
        assert sweep.ahead.seconds > 0 and sweep.took > 0 and sweep.off == pytest.approx(sweep.ahead.seconds / sweep.took - 1)
    assert sweep.exit_code == 0
