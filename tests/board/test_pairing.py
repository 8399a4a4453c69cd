from __future__ import annotations

from dataclasses import replace

import pytest
from factory import BASE, record, sweep

from benchbase.board.pairing import paired
from benchbase.board.side import BUDGET, METHOD, SET, Side, told
from benchbase.errors import BenchError
from benchbase.values.budget import Budget


def as_set(records, name="x"):
    return Side(name, SET, tuple(told(records)))


def test_sets_pair_cell_by_cell_whatever_the_version_of_the_method():
    old = [*sweep({"finetune": [850, 851], "scratch-b": [840]}), record(method="thinet")]
    new = sweep({"finetune": [850, 851, 852]}, method__version=2)
    pairs = paired(as_set(old), as_set(new))
    assert [(a.record.seed, b.record.seed, b.record.method.version) for a, b in pairs.values()] == [(0, 0, 2), (1, 1, 2)]


def test_two_rows_pair_though_they_differ_in_method_and_budget():
    one, two = sweep({"finetune": [850, 851]}), sweep({"finetune": [840, 841]}, method="mine", budget=Budget(ratio=0.7))
    assert len(paired(as_set(one), as_set(two))) == 2
    with pytest.raises(BenchError, match="method l1-norm, thinet against mine"):
        paired(as_set([*one, record(method="thinet")]), as_set(two))


def test_methods_pair_at_equal_budgets_and_budgets_for_equal_methods():
    board = told([*sweep({"finetune": [1, 2]}), *sweep({"finetune": [3]}, method="b"),
                  *sweep({"finetune": [3]}, method="b", budget=Budget(ratio=0.7))])
    a, b = (Side(m, METHOD, tuple(t for t in board if t.method == m)) for m in ("l1-norm", "b"))
    assert [(x.budget, y.budget) for x, y in paired(a, b).values()] == [("0.5", "0.5")]
    a, b = (Side(m, BUDGET, tuple(t for t in board if t.budget == m)) for m in ("0.5", "0.7"))
    assert [(x.method, y.method) for x, y in paired(a, b).values()] == [("b", "b")]


@pytest.mark.parametrize(("change", "says"), [
    ({"protocol": "scratch-b"}, "protocol finetune against scratch-b"), ({"seed": 3}, "seed 0 against 3"),
    ({"model": "vgg16"}, "model vgg-digits against vgg16"),
    ({"dataset": "cifar10"}, "data set digits against cifar10"), ({"recipe": replace(BASE, epochs=9)}, "another recipe"),
    ({"dataset__fingerprint": "0" * 64}, "version of the data"), ({"method": "b", "budget": Budget(ratio=0.7), "seed": 1}, "seed 0 against 1")])
def test_nothing_that_pairs_is_refused_and_says_what_differs(change, says):
    with pytest.raises(BenchError, match=says) as caught:
        paired(as_set([record()], "old"), as_set([record(**change)], "new"))
    assert "between old and new" in caught.value.what


def test_several_records_of_one_seed_cannot_be_told_apart():
    board = told([record(params={"a": 1}), record(params={"a": 2}), record(method="b")])
    with pytest.raises(BenchError, match="several records for one seed"):
        paired(Side("l1-norm", METHOD, tuple(board[:2])), Side("b", METHOD, tuple(board[2:])))
