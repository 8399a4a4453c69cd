from __future__ import annotations

import pytest
from factory import record

from benchbase.board.base import base_of


def long(gains, epochs=130, base=870, **said):
    """unpruned-long at so many images (of 1000) above the base, seed by seed."""
    return [record(protocol="unpruned-long", seed=s, base_right=base, right=base + gain, n=1000, metrics__epochs=epochs, **said)
            for s, gain in enumerate(gains)]


def scratch(epochs):
    return [record(protocol="scratch-b", metrics__epochs=epochs)]


@pytest.mark.parametrize(("gains", "converged"), [((5, 5, 5), True), ((5, 5, 6), False), ((0, 0, 0), True), ((-9, -9, 0), True), ((0, 16, 0), False),
                                                  ((5,), True)])
def test_more_than_delta_on_average_is_not_converged(gains, converged):
    got = base_of([*long(gains), *scratch(100)], 0.5)
    assert got.converged is converged and got.gain.mean == pytest.approx(sum(gains) / len(gains) / 10) and (got.epochs, got.longest) == (130, 100)


def test_unknown_where_nobody_tried_or_not_for_long_enough():
    assert base_of(scratch(100), 0.5).converged is None and base_of([], 0.5).gain is None
    assert base_of([*long([0], epochs=89), *scratch(100)], 0.5).converged is None
    assert base_of([*long([0], epochs=90), *scratch(100)], 0.5).converged is True
    assert base_of([*long([9], epochs=89), *scratch(100)], 0.5).converged is False


def test_the_worst_length_decides_and_shared_runs_count_once():
    both = [*long([9, 9], epochs=60), *long([1, 1], epochs=130, method="thinet"), *scratch(100)]
    assert base_of(both, 0.5).converged is False and base_of(both, 0.5).gain.n == 2
    twice = [*long([1, 3]), *long([1, 3], method="thinet")]
    assert base_of(twice, 0.5).gain.n == 2
