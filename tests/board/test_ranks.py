from __future__ import annotations

import random

import pytest
from factory import record, sha, sweep
from points import at, masked

from benchbase.board.ranks import difference, ranks_of, significant
from benchbase.board.stats import paired_p
from benchbase.board.table import tables


def ranked(records, family="table", protocol="finetune"):
    """Label of the method and budget -> (low, high, of)."""
    found = {}
    for table in tables(r.model_copy(update={"family": family}) for r in records):
        for row in table.rows:
            for rank in row.ranks:
                if rank.protocol == protocol:
                    found[row.label] = (rank.low, rank.high, rank.of)
    return found


def row(method, rights, protocol="finetune", **said):
    return sweep({protocol: rights}, method=method, **said)


def test_clear_differences_have_clear_ranks():
    records = [*row("a", [880, 881, 882, 880, 883]), *row("b", [860, 861, 862, 861, 862]), *row("c", [840, 839, 841, 842, 840])]
    assert ranked(records) == {"a 0.5": (1, 1, 3), "b 0.5": (2, 2, 3), "c 0.5": (3, 3, 3)}


def test_what_seeds_cannot_tell_apart_shares_an_interval_never_a_bare_first():
    noisy = [*row("a", [850, 870, 840, 880, 860]), *row("b", [870, 850, 860, 845, 880]), *row("c", [800, 801, 799, 800, 802])]
    assert ranked(noisy) == {"a 0.5": (1, 2, 3), "b 0.5": (1, 2, 3), "c 0.5": (3, 3, 3)}


def test_the_same_runs_tie_by_identity_and_count_once():
    shared = [record(method=m, protocol="scratch-e", seed=s, right=850 + s, final=sha("run", s)) for m in ("a", "b") for s in range(5)]
    other = row("c", [800, 801, 802, 803, 805], protocol="scratch-e")
    (table,) = tables([*shared, *other])
    a, b, c = (r.ranks[0] for r in table.rows)
    assert (a.low, a.high, a.of) == (b.low, b.high, b.of) == (1, 1, 2) and (c.low, c.high) == (2, 2)
    assert a.ties == ("b 0.5",) and b.ties == ("a 0.5",) and c.ties == ()
    (table,) = tables(shared)
    assert [r.ranks for r in table.rows] == [(), ()]  # one network has no rivals


def test_structured_rows_and_weights_are_never_ranked_together():
    found = ranked([*at(8), *at(8, 800, method="thinet"), *masked(8)])
    assert set(found) == {"l1-norm macs=0.875", "thinet macs=0.875"} and all(of == 2 for _, _, of in found.values())


def test_ranks_stand_at_common_points_only():
    assert ranked([*at(2), *at(3, method="b")]) == {} and ranked([*at(3), *at(3, method="b")]) == {}
    assert len(ranked([*at(4), *at(4, method="b"), *at(2, method="b")])) == 2


def test_dense_and_untrained_networks_have_no_rank():
    records = [r for m in ("a", "b") for p in ("one-shot", "unpruned-long") for r in row(m, [850, 851, 852], protocol=p)]
    assert ranked(records) == {} and all(r.ranks == () for t in tables(records) for r in t.rows)


def test_two_seeds_are_too_few():
    assert ranked([*row("a", [880, 880]), *row("b", [800, 801])]) == {}
    assert difference({0: 1.0, 1: 2.0, 2: 3.0}, {1: 1.0, 2: 1.0, 3: 9.0}) == (0.0, 1.0)


def test_the_family_that_is_declared_decides_what_is_adjusted_for():
    """One comparison of p = 0.02 at one point, five of nothing at another."""
    tests = {(("structured", 2, "finetune"), 0, 1): (1.0, 0.02), **{(("structured", 4, "finetune"), 0, j): (0.1, 0.9) for j in range(1, 6)}}
    first = next(iter(tests))
    assert significant(tests, "point")[first] == 1 and significant(tests, "table")[first] == 0
    other = {**tests, (("weights", 2, "finetune"), 0, 1): (-1.0, 0.001), (("structured", 2, "scratch-b"), 0, 1): (-1.0, 0.001)}
    assert [significant(other, "table")[k] for k in list(other)[-2:]] == [-1, -1]


def test_a_table_is_adjusted_as_its_suites_declare_and_over_all_of_it_where_they_differ():
    records = [*at(2), *at(2, method="b"), *at(4), *at(4, method="b")]
    point = [r.model_copy(update={"family": "point"}) for r in records]
    assert [[t.family for t in tables(some)] for some in (records, point, [*point[1:], records[0]])] == [["table"], ["point"], ["table"]]


def test_p_of_pairs_is_scipys_and_the_sign_tests_without_spread():
    from scipy.stats import ttest_rel
    rng = random.Random(0)
    for n in range(2, 12):
        a, b = [rng.gauss(1, 1) for _ in range(n)], [rng.gauss(0, 1) for _ in range(n)]
        assert paired_p(a, b) == pytest.approx(ttest_rel(a, b).pvalue, rel=1e-9)
    assert paired_p([2.0] * 5, [1.0] * 5) == 2 / 2 ** 5 and paired_p([1.0, 2.0], [1.0, 2.0]) == 1 and paired_p([5.0], [1.0]) == 1
    with pytest.raises(ValueError):
        paired_p([], [])


def test_better_and_worse_agree_in_any_order():
    rng = random.Random(1)
    records = [r for i in range(6) for r in row(f"m{i}", [830 + 5 * i + rng.randint(-6, 6) for _ in range(5)])]
    want = ranked(records)
    for seed in range(3):
        assert ranked(random.Random(seed).sample(records, len(records))) == want
    assert all(1 <= low <= high <= 6 for low, high, _ in want.values()) and want["m5 0.5"][0] == 1 and want["m0 0.5"][1] == 6
    assert ranks_of([]) == []
