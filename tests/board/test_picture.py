from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.board.picture import FARTHEST, draw, scale_of
from benchbase.board.stats import Interval

points = st.floats(-20, 20)


@given(st.tuples(points, points, points), st.sampled_from([17, 25, 33]), st.floats(0.1, 20))
def test_always_the_width_with_the_mean_between_the_ends(values, width, scale):
    low, mean, high = sorted(values)
    line = draw(Interval(mean, low, high, 5), scale, 0.5, width)
    assert len(line) == width and line.count("●") == (abs(mean) <= scale)
    ends = [i for i, c in enumerate(line) if c in "├┤◂▸"]
    assert "●" not in line or all(min(ends) <= line.index("●") <= max(ends) for _ in ends[1:])


@pytest.mark.parametrize(("mean", "side"), [(1.0, "right"), (-1.0, "left"), (0.0, "middle")])
def test_scratch_is_left_and_weights_are_right(mean, side):
    at = draw(Interval(mean, None, None, 1), 2, 0.5, 25).index("●")
    assert {"right": at > 12, "left": at < 12, "middle": at == 12}[side]


def test_one_scale_for_a_table_that_no_row_presses_flat():
    assert scale_of([], 0.5) == 1 and scale_of([Interval(1, -1.5, 3.5, 3)], 0.5) == 3.5
    far = Interval(50, 40, 60, 3)
    assert scale_of([far], 0.5) == 60 and scale_of([far, far, Interval(0, -1, 1, 3)], 0.5) == 60
    assert scale_of([far, *[Interval(0, -1, 1, 3)] * 2], 0.5) == FARTHEST * 0.5
    assert draw(far, 4, 0.5, 25).endswith("▸") and "●" not in draw(far, 4, 0.5, 25) and draw(Interval(0, -60, 60, 3), 4, 0.5, 25)[0] == "◂"


def test_an_interval_beyond_zero_does_not_touch_it():
    line = draw(Interval(1.5, 1.0, 2.0, 5), 2, 0.5, 33)
    assert line[16] == "│" and line.index("├") > 16 and line.count("┊") == 2
