from __future__ import annotations

import pytest
from factory import judged, record, sweep

from benchbase.board.select import Selection, select
from benchbase.board.table import tables
from benchbase.errors import BenchError
from benchbase.values.budget import Budget

TABLES = tables([*judged(20), *judged(0, method="thinet", params={"a": 1}), record(method="thinet", params={"a": 2}),
                 record(dataset="cifar10", model="resnet20"),
                 *sweep({"finetune": [1, 2]}, method="random", budget=Budget(macs=0.75))])


def labels(**wanted):
    return [(t.setting.dataset, row.label) for t in select(TABLES, Selection(**{k: tuple(v) for k, v in wanted.items()})) for row in t.rows]


def test_nothing_wanted_is_everything():
    assert select(TABLES, Selection()) == TABLES


@pytest.mark.parametrize("wanted, count", [({"dataset": ["cifar*"]}, 1), ({"model": ["resnet20"]}, 1), ({"method": ["thinet"]}, 2),
                                           ({"method": ["thinet[[]a=1]"]}, 1),
                                           ({"method": ["thinet[a=1]", "random"]}, 2), ({"budget": ["macs=*"]}, 1),
                                           ({"verdict": ["weights matter"]}, 1),
                                           ({"verdict": ["*"], "dataset": ["digits"], "method": ["l1*"]}, 1),
                                           ({"dataset": ["cifar10"], "method": ["random"]}, 0)])
def test_rows_that_all_patterns_fit(wanted, count):
    assert len(labels(**wanted)) == count


@pytest.mark.parametrize("kind", ["dataset", "model", "method", "budget", "verdict"])
def test_a_pattern_that_fits_nothing_is_a_mistake(kind):
    with pytest.raises(BenchError, match=f"unknown {kind} 'nope'"):
        labels(**{kind: ["nope"]})


def test_letters_of_rows_that_are_gone_go():
    shared = tables([record(method=m, protocol="scratch-e", final="ab" * 32) for m in ("a", "b")] + [record(method="c")])
    assert shared[0].links and not select(shared, Selection(method=("c",)))[0].links and select(shared, Selection(method=("a",)))[0].links


def test_an_empty_board_has_no_mistakes():
    assert select([], Selection(method=("nope",))) == []
