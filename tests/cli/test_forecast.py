from __future__ import annotations

from pathlib import Path

import pytest

from benchbase.cli.forecast import forecast
from benchbase.flow.plan import Entry, Plan
from benchbase.flow.store import Done, Store, write_stage


@pytest.fixture
def stored(tmp_path):
    """Stores a stage that took so many seconds, with a file of so many bytes."""
    def put(key: str, kind: str, seconds: float, size: int = 1000) -> Entry:
        store = Store(tmp_path)
        with store.writing(key) as folder:
            (folder / "weights").write_bytes(b"x" * size)
            write_stage(folder, Done(key, kind, "d", {}, folder, seconds))
        return Entry(kind, key, "", True, 1, macs=100 if kind == "train" else 0)
    return put


def left(kind: str, macs: int = 0) -> Entry:
    return Entry(kind, f"{kind}-{macs}-left", "", False, 1, macs=macs)


def test_trainings_by_their_multiply_adds(stored, tmp_path):
    plan = Plan(1, (stored("aa1", "train", 10.0), stored("ab2", "train", 30.0), left("train", 50), left("train", 350)))
    ahead = forecast(plan, tmp_path)
    assert ahead.seconds == pytest.approx(40 / 200 * 400) and ahead.free > 0
    assert 2 * 1000 < ahead.bytes < 2 * 1500
    assert forecast(plan, tmp_path, jobs=4).seconds == pytest.approx(20)


def test_the_rest_by_their_number(stored, tmp_path):
    plan = Plan(1, (stored("aa1", "prune", 2.0), stored("ab2", "prune", 4.0), left("prune"), stored("ac3", "measure", 1.0)))
    assert forecast(plan, tmp_path).seconds == pytest.approx(3.0)


def test_unknown_where_nothing_of_the_kind_has_run(stored, tmp_path):
    ahead = forecast(Plan(1, (stored("aa1", "prune", 2.0), left("train", 5))), tmp_path)
    assert ahead.seconds is None and ahead.bytes is None and ahead.to_json()["free"] > 0


def test_nothing_left_is_nothing(tmp_path):
    ahead = forecast(Plan(1, ()), tmp_path / "not" / "there")
    assert (ahead.seconds, ahead.bytes) == (0, 0) and not Path(tmp_path / "not").exists()
