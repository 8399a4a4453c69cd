from __future__ import annotations

import pytest
from factory import record, sha

from benchbase.board.labels import budget_labels, budget_order, whos, written
from benchbase.values.budget import Budget


def labels(*methods, defaults=None):
    return [w.label for w in whos([record(**m).method for m in methods], defaults or {}).values()]


def test_parameters_that_tell_rows_apart():
    assert labels({"params": {"images": 64, "refit": True}}) == ["l1-norm"]
    two = labels({"params": {"images": 64, "refit": True}}, {"params": {"images": 256, "refit": True}})
    assert two == ["l1-norm[images=64]", "l1-norm[images=256]"]
    assert labels({"params": {"images": 64}}, {"params": {"images": 64, "deep": False}}) == ["l1-norm", "l1-norm[deep=false]"]


def test_parameters_that_are_not_the_defaults():
    usual = {"l1-norm": {"images": 256, "refit": True, "at": (1, 2)}}
    assert labels({"params": {"images": 64, "refit": True, "at": [1, 2]}}, defaults=usual) == ["l1-norm[images=64]"]
    assert labels({"params": {"images": 256, "refit": True, "at": [1, 2], "new": 1}}, defaults=usual) == ["l1-norm[new=1]"]


def test_versions_and_files():
    assert labels({}, {"method__version": 2}) == ["l1-norm v1", "l1-norm v2"]
    one, two = sha("one"), sha("two")
    file = {"method__distribution": None, "method__distribution_version": None}
    assert labels({"method__source": one, **file}) == ["l1-norm"]
    assert labels({"method__source": one, **file}, {"method__source": two, **file}) == [f"l1-norm {one[:6]}", f"l1-norm {two[:6]}"]


def test_no_two_labels_are_equal():
    found = labels({"method": "a[x=1]"}, {"method": "a", "params": {"x": 1}}, {"method": "a", "params": {"x": 2}})
    assert len(set(found)) == 3 and all(label.startswith("a[x=") for label in found)
    budgets = [Budget(widths={"a": 1}, name="mine"), Budget(widths={"a": 2}, name="mine"), Budget(ratio=0.5, scope="all")]
    same = budget_labels([b.to_json() for b in budgets])
    assert len(set(same)) == 3 and same[0].startswith("mine #") and same[2] == "0.5 (all)"
    assert budget_labels([Budget(ratio=0.5, name="0.5").to_json(), Budget(ratio=0.5, name="half").to_json()]) == ["0.5", "0.5"]


def test_order_of_budgets():
    budgets = [Budget(widths={"a": 1}, name="z"), Budget(params=0.1), Budget(macs=0.1), Budget(ratio=0.9), Budget(ratio=0.1)]
    assert sorted(budgets, key=lambda b: budget_order(b.to_json(), b.label)) == budgets[::-1]


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (None, "null"), (1.5, "1.5"), ("x", "x"), ([1, "a"], "1/a"), ({"a": 1}, '{"a":1}')])
def test_as_written_on_the_command_line(value, text):
    assert written(value) == text
