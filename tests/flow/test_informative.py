from __future__ import annotations

import random
from itertools import pairwise

import pytest

from benchbase.errors import BenchError
from benchbase.flow.informative import Offer, Part, informative


def suite(rows: dict[str, float], seeds: int, base: float) -> list[Offer]:
    """Rows that cost so much each and share a base a seed; in the order of suites, seeds fastest."""
    return [Offer(row, seed, {f"base {seed}": base, f"{row} {seed}": cost}) for row, cost in rows.items() for seed in range(seeds)]


def chosen(offers: list[Offer], seconds: float) -> list[tuple[str, int]]:
    return [(offers[n].row, offers[n].seed) for n in informative(offers, seconds).numbers]


def test_every_row_has_a_seed_before_one_has_two():
    """A base of 10 s; rows of 1, 2 and 3 s: a round costs 16 s, not 36, for the base counts once."""
    offers = suite({"a": 1, "b": 2, "c": 3}, 3, 10)
    assert informative(offers, 16) == Part((0, 3, 6), 16)
    assert chosen(offers, 26.9) == [("a", 0), ("b", 0), ("c", 0)]
    assert chosen(offers, 27) == [("a", 0), ("a", 1), ("b", 0), ("c", 0)]
    assert informative(offers, 48).numbers == tuple(range(9)) and informative(offers, 48).seconds == 48


def test_the_cheapest_first_so_that_most_rows_fit():
    offers = suite({"dear": 50, "a": 2, "b": 3}, 2, 10)
    assert chosen(offers, 15) == [("a", 0), ("b", 0)]
    assert chosen(offers, 30) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]  # what can never fit keeps nobody from a second seed
    assert chosen(offers, 12) == [("a", 0)]


def test_a_row_that_missed_a_seed_takes_no_later_one():
    """c's first seed does not fit, its second would be there for nothing: seeds stay without gaps."""
    offers = [*suite({"a": 1}, 2, 1), Offer("c", 0, {"x": 100}), Offer("c", 1, {})]
    assert chosen(offers, 50) == [("a", 0), ("a", 1)]


def test_what_is_there_or_shared_costs_nothing():
    """The scratch network that two rows share is paid for once, whichever is first; a cell with nothing left always fits."""
    offers = [Offer("a", 0, {"base": 5, "scratch": 20, "a": 1}), Offer("b", 0, {"base": 5, "scratch": 20, "b": 2}), Offer("c", 0, {})]
    assert informative(offers, 28) == Part((0, 1, 2), 28) and informative(offers, 26) == Part((0, 2), 26)


def test_an_unknown_cell_is_taken_as_the_mean_of_the_known():
    offers = [Offer("a", 0, {"a": 10}), Offer("b", 0, {"b": 20}), Offer("new", 0, {"?": None, "n": 1})]
    assert informative(offers, 44).numbers == (0, 2) and informative(offers, 45) == Part((0, 1, 2), 45)
    shared = [Offer("a", 0, {"a": 10}), Offer("new", 0, {"?": None}), Offer("too", 0, {"?": None, "t": 3})]
    assert informative(shared, 23) == Part((0, 1, 2), 23)  # what one has run is known to nobody, and paid for by it


def test_nothing_known_is_an_error_that_names_the_way_out():
    with pytest.raises(BenchError, match="nothing like this suite has run") as error:
        informative([Offer("a", 0, {"?": None}), Offer("b", 0, {})], 100)
    assert "run one cell first" in error.value.todo and "--time-limit" in error.value.todo
    with pytest.raises(BenchError, match="no cell fits in 5 s: the cheapest is thought to take 11 s"):
        informative(suite({"a": 1, "b": 2}, 2, 10), 5)
    assert informative([], 5) == Part((), 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_on_any_suite(seed):
    """Never over the time, which it counts right; more time never fewer cells; seeds without gaps; alike rows differ by one seed at most."""
    draw = random.Random(seed)
    rows = {f"r{i}": draw.choice([1.0, 2.0, 5.0]) for i in range(8)}
    offers = suite(rows, 4, draw.choice([0.5, 8.0]))
    parts = []
    for time in (10, 20, 40, 80, 160, 320):
        part = informative(offers, time)
        parts.append(part)
        needed = {key: cost for n in part.numbers for key, cost in offers[n].stages.items()}
        assert part.seconds == pytest.approx(sum(needed.values())) and part.seconds <= time + 1e-9
        taken = {row: [offers[n].seed for n in part.numbers if offers[n].row == row] for row in rows}
        assert all(seeds == list(range(len(seeds))) for seeds in taken.values())
        for a in rows:
            for b in rows:
                assert rows[a] < rows[b] or len(taken[a]) <= len(taken[b]) + 1 or not taken[b]
    assert all(len(a.numbers) <= len(b.numbers) for a, b in pairwise(parts))
