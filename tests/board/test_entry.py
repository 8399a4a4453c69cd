from __future__ import annotations

from factory import record

from benchbase.board.entry import ORDER, Entry, Missing, entries_of, gaps_of, order_of


def test_columns_stand_in_the_papers_order_others_behind_by_name():
    names = ["zeta", "scratch-b", "alpha", "finetune", "unpruned", "one-shot"]
    assert sorted(names, key=order_of) == ["unpruned", "one-shot", "finetune", "scratch-b", "alpha", "zeta"]
    assert len(set(ORDER)) == len(ORDER)


def test_an_entry_without_values_is_there_where_seeds_were_lost():
    (lost,) = entries_of({}, [Missing(0, "finetune", "oom"), Missing(1, "", "oom")])
    assert (lost.protocol, lost.n, lost.mean, lost.std, lost.epochs) == ("finetune", 0, None, None, None) and [m.seed for m in lost.failed] == [0]


def test_both_one_shot_accuracies_count_the_seeds_that_were_lost():
    got = {e.protocol: [m.seed for m in e.failed] for e in entries_of({"one-shot": {0: record(protocol="one-shot")}}, [Missing(1, "one-shot", "oom")])}
    assert got == {"unpruned": [], "one-shot": [1], "one-shot, BN recomputed": [1]}


def test_gaps_need_a_seed_on_both_sides():
    a, b = Entry("finetune", ((0, 90.0), (2, 91.0))), Entry("scratch-e", ((1, 80.0), (2, 85.0)), failed=(Missing(0, "scratch-e", "oom"),))
    (gap,) = gaps_of([a, b])
    assert (gap.name, gap.seeds, gap.interval.mean, gap.failed) == ("same epochs", (2,), 6.0, (0,))
    assert gaps_of([a]) == () and gaps_of([Entry("finetune", ((0, 90.0),)), b]) == ()


def test_the_costs_of_all_phases_are_one_sum():
    (_, entry) = entries_of({"finetune": {0: record()}}, [])
    assert entry.spent.mean == 10**11 + 10**10
