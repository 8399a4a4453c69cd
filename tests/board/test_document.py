from __future__ import annotations

import json

import pytest
from factory import failure, judged, record, sweep

from benchbase.board.document import to_json
from benchbase.board.table import tables


def only(records, failures=()):
    document = json.loads(json.dumps(to_json(tables(records, failures)), allow_nan=False))
    (table,) = document["tables"]
    return table, table["rows"][0]


def test_numbers_of_a_row():
    table, row = only([*judged(20), *sweep({"finetune": [840, 842, 844, 846, 848]})])
    assert row["verdict"] == {"word": "weights matter", "provisional": False, "reasons": []} and table["delta"] == 0.5
    tuned = row["entries"]["finetune"]
    assert tuned["mean"] == pytest.approx(84400 / 898) and tuned["n"] == 5 and tuned["values"]["4"] == pytest.approx(84800 / 898)
    assert tuned["drop"]["mean"] == pytest.approx(2600 / 898) and tuned["drop"]["n"] == 5 and row["entries"]["unpruned"]["drop"] is None
    assert row["gaps"]["matched"]["mean"] == pytest.approx(2000 / 898) and row["gaps"]["matched"]["seeds"] == [0, 1, 2, 3, 4]
    assert row["size"]["speedup"] == 4 and row["size"]["compression"] == 2 and row["size"]["dense"]["macs"] == 2_000_000
    assert row["budget"] == {"label": "0.5", "unit": "channels", "asked": 0.5, "achieved": {"mean": 0.5, "low": 0.5, "high": 0.5}, "missed": False}
    assert table["base"]["converged"] is True and [s["phase"] for s in table["ledger"]] == ["pretrain", "prune", "retrain"]


def test_small_numbers_of_recipes_and_parameters_are_not_rounded_away():
    from dataclasses import replace

    from factory import BASE
    table, row = only([record(recipe=replace(BASE, weight_decay=1e-12), params={"eps": 1e-12})])
    assert table["recipe"]["weight_decay"] == 1e-12 and row["method"]["params"] == {"eps": 1e-12}


def test_failures_and_provisional_rows():
    _, row = only([r for r in judged(20) if r.seed < 3], [failure(protocol="scratch-matched", seed=3)])
    assert row["verdict"]["word"] is None and row["verdict"]["provisional"] and "1 failed seed" in row["verdict"]["reasons"]
    assert row["entries"]["scratch-matched"]["failed"] == [3] and row["failed"][0]["kind"] == "diverged"
    _, row = only([], [failure("not_applicable", protocol="")])
    assert row["size"] is None and row["entries"] == {} and not row["verdict"]["provisional"]


def test_nothing_to_say():
    assert to_json([]) == {"schema": 1, "tables": []}
