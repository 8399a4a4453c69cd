from __future__ import annotations

import math

import numpy as np
import pytest
from factory import DENSE, record, sweep
from hypothesis import given
from hypothesis import strategies as st
from points import at, masked

from benchbase.board.curve import POINTS, curves_of, factor_of, point_of, refusal, trapezoids
from benchbase.board.table import tables


def rows(records):
    return [row for table in tables(records) for row in table.rows]


@given(st.lists(st.tuples(st.floats(1, 64), st.floats(0, 100)), min_size=2, max_size=9, unique_by=lambda p: round(p[0], 3)))
def test_the_area_is_numpys_over_octaves(points):
    points = sorted(points)
    x, y = np.log2([f for f, _ in points]), [v for _, v in points]
    assert trapezoids(points) == pytest.approx(np.trapezoid(y, x) / (x[-1] - x[0]), abs=1e-6)


def test_five_points_and_no_gap_beyond_an_octave():
    assert refusal([2, 4, 8, 16, 32]) == "" and refusal([2, 4, 8, 16]) == "4 of 5 operating points"
    assert refusal([2, 4, 8, 32, 64]) == "nothing between 8× and 32×, more than an octave"
    assert refusal([2 / 1.02, 4 * 1.02, 8, 16, 32]) == "" and refusal([1.9, 4.2, 8, 16, 32]) != ""


def test_a_methods_curve_over_its_budgets():
    records = [r for factor, right in zip(POINTS, (880, 870, 860, 840, 800)) for r in at(factor, right)]
    (curve,) = curves_of(rows(records))
    assert [round(f, 2) for f, _ in curve.points] == [2, 4, 8, 16, 32] and curve.protocol == "finetune" and curve.why == ""
    area = (880 / 2 + 870 + 860 + 840 + 800 / 2) / 4 / 8.98
    assert curve.area == pytest.approx(area + 1 / 8.98) and curve.std == pytest.approx(1 / 8.98) and curve.n == 3


def test_what_has_no_area_says_why():
    (few,) = curves_of(rows([*at(2), *at(4)]))
    assert few.area is None and few.why == "2 of 5 operating points" and len(few.points) == 2
    assert curves_of(rows(at(2))) == ()
    odd = [r for i, factor in enumerate(POINTS) for r in at(factor, seeds=5) if r.seed == i]
    (none,) = curves_of(rows(odd))
    assert none.why == "no seed has all points"


def test_kinds_and_protocols_have_curves_of_their_own():
    records = [*at(2), *at(4), *masked(2), *masked(4), *sweep({"one-shot": [100, 100]})]
    assert [(c.kind, c.who.label, c.protocol) for c in curves_of(rows(records))] == [("structured", "l1-norm", "finetune"),
                                                                                 ("weights", "magnitude", "finetune")]


@pytest.mark.parametrize(("factor", "point"), [(2, 2), (2.039, 2), (1.961, 2), (2.05, None), (1.95, None), (3, None), (32, 32), (64, None)])
def test_common_points_within_two_percent(factor, point):
    (row,) = rows([record(metrics__macs=math.ceil(DENSE["macs"] / factor), metrics__macs_nonzero=1000)])
    assert point_of(row) == row.point == point and factor_of(row) == pytest.approx(factor, rel=1e-4)


def test_every_seed_lies_there_and_weights_count_what_is_not_zero():
    (row,) = rows([record(seed=s, metrics__macs=m, metrics__macs_nonzero=1) for s, m in enumerate((1_000_000, 1_100_000, 900_000))])
    assert row.point is None
    (row,) = rows(masked(8))
    assert row.point == 8 and factor_of(row) == 8 and row.kind == "weights"
