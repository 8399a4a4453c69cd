from __future__ import annotations

import pytest
from factory import record, sweep

from benchbase.board.side import BUDGET, CELL, METHOD, SET, side, told
from benchbase.errors import BenchError
from benchbase.values.budget import Budget, parse_budget
from benchbase.values.record import write

BOARD = told([*sweep({"finetune": [850, 851]}), *sweep({"finetune": [840]}, budget=Budget(ratio=0.7)),
              *sweep({"finetune": [830]}, method="thinet", params={"images": 64}), *sweep({"finetune": [835]}, method="thinet", params={"images": 256}),
              *sweep({"finetune": [820]}, method="random", budget=parse_budget("l1-norm@0.5"))])


@pytest.mark.parametrize(("text", "kind", "count"), [
    ("l1-norm", METHOD, 3), ("thinet", METHOD, 2), ("thinet[images=64]", METHOD, 1), ("0.5", BUDGET, 4), ("0.7", BUDGET, 1), ("l1-norm@0.7", CELL, 1),
    ("l1-norm@0.5", CELL, 2), ("thinet[images=256]@0.5", CELL, 1), ("random@l1-norm@0.5", CELL, 1)])
def test_methods_budgets_and_both(text, kind, count):
    got = side(text, BOARD)
    assert (got.kind, len(got.records), got.name) == (kind, count, text)


def test_a_label_goes_before_the_bare_name():
    defaults = {"thinet": {"images": 256}}
    board = told([t.record for t in BOARD], defaults)
    assert [t.record.method.params for t in side("thinet", board).records] == [{"images": 256}]


def test_folders_and_files(tmp_path):
    path = write(record(), tmp_path)
    assert side(str(tmp_path), []).kind == side(str(path), []).kind == SET and len(side(str(tmp_path), []).records) == 1


@pytest.mark.parametrize("text", ["l1-nrom", "l1-norm@0.9", "0.51", "@", "", "no/such/folder", "gone.json"])
def test_what_is_nothing_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError) as caught:
        side(text, BOARD)
    assert caught.value.todo


def test_near_misses_are_named(tmp_path):
    with pytest.raises(BenchError, match="did you mean 'l1-norm'"):
        side("l1-nrom", BOARD)
    with pytest.raises(BenchError, match="has no records"):
        side("l1-norm", [])
    (tmp_path / "v1" / "records").mkdir(parents=True)
    with pytest.raises(BenchError, match="no records in"):
        side(str(tmp_path), [])


def test_a_bare_word_is_a_method_first_and_a_folder_with_a_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("l1-norm", "other"):
        write(record(), tmp_path / name)
    assert side("l1-norm", BOARD).kind == METHOD and side("./l1-norm", BOARD).kind == side("l1-norm/", BOARD).kind == SET
    assert side("other", BOARD).kind == SET and side("l1-norm", []).kind == SET
