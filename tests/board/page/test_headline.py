from __future__ import annotations

from collections import Counter

from factory import failure, judged, record, sweep

from benchbase.board.page.headline import headline, sentence, smoke
from benchbase.board.table import tables


def headed(*records, failures=()):
    return headline(tables([r for rs in records for r in rs], failures))


def test_counts_of_judged_cells_and_why_others_have_none():
    found = headed(judged(20, dataset="cifar10"), judged(0, dataset="cifar10", method="thinet"),
                 sweep({"finetune": [1]}, dataset="cifar10", method="sss"))
    assert found["sentence"] == "At equal compute, inherited weights matter in 1, and architecture is enough in 1, of 2 judged cells."
    assert found["aside"] == "1 more without a verdict: not compared at equal compute (1)."
    assert (found["cells"], found["judged"], found["tables"]) == (3, 2, 1)


def test_every_word_is_said_and_counts_add_up():
    counts = Counter({"weights matter": 1, "weights help a little": 2, "architecture is enough": 3, "scratch is better": 4, "undecided": 5})
    said = sentence(counts, 15, 20)
    assert said.startswith("At equal compute, inherited weights matter in 1, help a little in 2, architecture is enough in 3, ")
    assert said.endswith("training from scratch is better in 4, and it is undecided in 5, of 15 judged cells.")


def test_without_verdicts_nothing_is_concluded():
    found = headed(judged(20, seeds=3, dataset="cifar10"), sweep({"finetune": [1]}, dataset="cifar10", method="sss"))
    assert found["sentence"] == "No verdict yet on any of 2 cells: numbers are shown, conclusions are not due."
    assert found["counts"]["weights matter"] == 0
    assert found["aside"] == "2 without a verdict: 3 of 5 seeds (1); not compared at equal compute (1)."


def test_an_empty_board_and_one_of_failures():
    assert headline([])["sentence"] == "There are no records here yet."
    assert headed([], failures=[failure(protocol="")])["sentence"].startswith("No verdict yet on the one cell")


def test_digits_are_smoke():
    assert [smoke(t) for t in tables([record(dataset="digits"), record(dataset="cifar10"), record(dataset="digits-noisy")])] == [False, True, True]
