from __future__ import annotations

import json
import random

import pytest
from factory import DENSE, failure, judged, sweep

from benchbase.board.page.data import data_of, to_text
from benchbase.board.table import tables
from benchbase.values.budget import Budget

from .boards import LAYERS, cell, demo

RECORDS = [*judged(20, dataset="cifar10"), *sweep({"finetune": [1, 2], "scratch-b": [3, 4]}, method="random", dataset="cifar10")]


def rows(records, failures=()):
    (table,) = data_of(tables(records, failures))["tables"]
    return table, table["rows"]


def test_a_function_of_the_records_in_any_order():
    text = to_text(data_of(tables(RECORDS)))
    assert text == to_text(data_of(tables(random.Random(0).sample(RECORDS, len(RECORDS))))) and text.isascii()
    assert json.loads(text) == json.loads(json.dumps(data_of(tables(RECORDS))))


def test_numbers_of_a_row():
    table, (row, other) = rows(RECORDS)
    assert (row["method"], row["says"], row["n"], row["seeds"], row["tier"]) == ("l1-norm", "weights matter", 5, "0-4", "re-scored")
    assert row["gaps"]["matched"][:4] == [pytest.approx(2000 / 898, abs=1e-4), pytest.approx(2000 / 898, abs=1e-4),
                                          pytest.approx(2000 / 898, abs=1e-4), 5]
    assert len(row["gaps"]["matched"]) == 6 and row["gaps"]["matched"][4] < row["gaps"]["matched"][0] < row["gaps"]["matched"][5]
    assert other["entries"]["finetune"]["v"] == [[0, round(100 / 898, 4)], [1, round(200 / 898, 4)]]
    assert list(other["gaps"]) == ["paper"]
    assert table["unpruned"]["mean"] == pytest.approx(87000 / 898, abs=1e-4) and table["dense"]["macs"] == DENSE["macs"]
    assert table["base"]["converged"] is True
    assert row["command"][0].startswith("bench run -m l1-norm") and table["recipes"][row["command"][1]].startswith(" --set recipe.batch_size=64")
    assert row["command"][1] == other["command"][1] and table["locks"][row["lock"]]["torch"] == ["2.11"]


def test_ids_stay_when_others_come_and_go():
    alone, (one, _) = rows(RECORDS)
    both, more = rows([*RECORDS, *sweep({"finetune": [5]}, method="aaa", dataset="cifar10")])
    assert alone["id"] == both["id"] and one["id"] in {row["id"] for row in more} and len({row["id"] for row in more}) == 3


def test_widths_stand_in_one_order_with_the_widest_known():
    table, found = rows([cell("cifar10", "resnet20", m, 0.75, 4, "finetune", 0, 90.0) for m in ("a", "b")])
    assert table["layers"] == [[name, width] for name, width in LAYERS.items()]
    assert found[0]["widths"] == [4, 12, 12, 8, 24, 24, 16, 48, 48]


def test_masks_count_what_is_not_zero_and_have_no_widths():
    _, (row,) = rows([cell("cifar10", "resnet20", "magnitude", 0.75, 4, "finetune", 0, 90.0)])
    assert row["kind"] == "weights" and row["macs"][0] == DENSE["macs"] / 4 and row["speedup"] == 4 and row["widths"] == []


def test_ranks_are_intervals():
    _, found = rows(list(demo(methods=("l1-norm", "thinet", "random"))))
    assert [row["ranks"]["finetune-matched"] for row in found[:3]] == [[2, 2, 3], [3, 3, 3], [1, 1, 3]] and found[0]["point"] == 2


def test_a_row_of_failures():
    _, (row,) = rows([], [failure("not_applicable", protocol="", seed=1, budget=Budget(macs=0.5))])
    assert (row["params"], row["macs"], row["entries"], row["says"]) == (None, None, {}, "no verdict") and row["flags"]
