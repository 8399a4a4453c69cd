from __future__ import annotations

import pytest
from factory import record, sha, sweep

from benchbase.board.flags import listed, regular
from benchbase.board.table import tables


def flags(records, **more):
    (table,) = tables(records, **more)
    return table.rows[0].flags


@pytest.mark.parametrize(("numbers", "text"), [([], ""), ([3], "3"), ([0, 1, 2, 5], "0-2, 5"), ([7, 5, 6, 1], "1, 5-7"), ([0, 2, 4], "0, 2, 4")])
def test_numbers_in_words(numbers, text):
    assert listed(numbers) == text


@pytest.mark.parametrize(("seeds", "well"), [([], True), ([0], True), ([0, 1, 2], True), ([1], False), ([0, 2], False)])
def test_regular_seeds(seeds, well):
    assert regular(seeds) is well


def test_a_clean_row_has_no_flags():
    assert flags(sweep({p: [850, 851] for p in ("one-shot", "finetune", "scratch-e", "scratch-b", "finetune-matched", "scratch-matched")})) == ()


@pytest.mark.parametrize(("scratch", "epochs", "flagged"), [(110, 100, False), (121, 100, False), (122, 100, True), (98, 100, True), (99, 100, False),
                                                            (150, 6, False), (200, 6, True)])
def test_unequal_compute_beyond_a_tenth_and_two_epochs(scratch, epochs, flagged):
    """The inherited side costs 110 in all: 100 of pretraining, nothing of pruning, 10 of retraining."""
    sides = [record(protocol="finetune-matched"), record(protocol="scratch-matched", ledger__retrain={"epochs": epochs, "macs": scratch * 10**9})]
    assert any(flag.startswith("unequal compute") for flag in flags(sides)) is flagged


def test_protocols_of_one_seed_are_pairs_only_with_one_base_and_one_network():
    pair = [record(), record(protocol="scratch-e", width=32)]
    assert flags(pair) == ("one seed, several architectures (seed 0): its protocols are no pairs",)
    pair = [record(), record(protocol="scratch-e", digests__plain=sha("other"))]
    assert flags(pair) == ("one seed, several bases (seed 0): its protocols are no pairs",)
    assert flags([record(), record(protocol="unpruned-long", width=64, right=860)]) == ()


def test_where_a_row_comes_from():
    assert flags([record(), record(seed=1, precision="bf16")]) == ("several precisions: bf16, fp32",)
    assert flags([record(), record(seed=1, method__distribution_version="0.2")]) == ("several packages: benchbase 0.1, benchbase 0.2",)


def test_reproductions_tell_how_far_they_are():
    repeats = [record(right=851, final=sha(1)), record(right=841, final=sha(2))]
    got = flags([record(right=850), record(right=850, seed=1)], repeats=repeats)
    assert got == ("reproduced: 1 of 2 records run again, top-1 within 1.00 points",)
