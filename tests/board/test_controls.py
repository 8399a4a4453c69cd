from __future__ import annotations

import pytest
from factory import record, sweep
from points import masked

from benchbase.board.controls import lacking
from benchbase.board.table import tables


def alone(*records):
    """The flag of the one table, "" where there is none."""
    (table,) = tables([r for some in records for r in some])
    flags = [flag for flag in table.flags if "no other choice" in flag]
    assert len(flags) < 2
    return flags[0].partition("beside ")[2] if flags else ""


def row(method="l1-norm", width=16, **said):
    return sweep({"finetune": [850, 851]}, method=method, width=width, **said)


def blocks(method, *gone):
    return [record(method=method, architecture__dropped=gone, architecture__shapes={}, architecture__widths={}, kept={}, achieved={"blocks": 0.5},
                   digests__architecture=record(architecture__dropped=gone).digests.architecture)]


def test_the_same_widths_by_another_method_are_a_control_and_other_widths_are_none():
    assert alone(row()) == "l1-norm 0.5" and alone(row(), row("random")) == ""
    assert alone(row(), row("random", width=8)) == "l1-norm 0.5, random 0.5"
    assert alone(row(), row("random"), row("taylor", width=8)) == "taylor 0.5"


def test_a_method_does_not_control_itself():
    assert "thinet" in alone(row("thinet", params={"images": 1}), row("thinet", params={"images": 2}))


def test_another_seed_or_protocol_is_no_control():
    assert alone(row(), [record(method="random", seed=7)]) == "l1-norm 0.5, random 0.5"
    assert alone(row(), sweep({"one-shot": [600, 600]}, method="random")) == "l1-norm 0.5, random 0.5"


def test_masks_are_controlled_by_the_same_counts():
    other = [r.model_copy(update={"key": r.key[::-1], "method": r.method.model_copy(update={"name": "layer-shuffled"})}) for r in masked(4)]
    assert alone(masked(4)) == "magnitude 0.75" and alone(masked(4), other) == ""
    fewer = [r.model_copy(update={"metrics": r.metrics.model_copy(update={"macs_nonzero": 1})}) for r in other]
    assert alone(masked(4), fewer) == "layer-shuffled 0.75, magnitude 0.75"


@pytest.mark.parametrize(("gone", "flag"), [(("a",), ""), (("a", "b"), "random-blocks 0.5, sss 0.5")])
def test_blocks_are_controlled_by_as_many(gone, flag):
    assert alone(blocks("sss", "c"), blocks("random-blocks", *gone)) == flag


def test_many_are_counted_not_listed():
    said = alone(*(row(f"method-{i}", width=i) for i in range(1, 10)))
    assert said.count("method-") == 6 and said.endswith("and 3 more")
    assert list(lacking((), ())) == []
