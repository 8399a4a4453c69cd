"""An interval drawn in one line of text, zero in the middle: scratch is better to the left, weights matter to the right."""
from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from benchbase.board.stats import Interval

FARTHEST = 8  # times delta, or twice the usual end of a table: what lies beyond is cut, so that one row does not press all others flat


def scale_of(intervals: Iterable[Interval], delta: float) -> float:
    """The points of top-1 from the middle to either edge, the same for all intervals of a table."""
    ends = [max(abs(x) for x in (i.mean, i.low, i.high) if x is not None) for i in intervals]
    return min(max([2 * delta, *ends]), max(FARTHEST * delta, 2 * median(ends or [0])))


def draw(interval: Interval, scale: float, delta: float, width: int) -> str:
    """`width` characters: │ at zero, ┊ at ± delta, ├─●─┤ the interval with its mean; ◂ and ▸ where it goes on beyond the edge.

    >>> draw(Interval(0.0, -1.0, 1.0, 5), 2.0, 0.5, 13)
    '   ├──●──┤   '
    >>> draw(Interval(1.5, 1.0, 9.0, 5), 2.0, 0.5, 13)
    '    ┊ │ ┊├●─▸'
    """
    middle = width // 2

    def at(points: float) -> int:
        return min(max(round(middle + points / scale * middle), 0), 2 * middle)

    line = [" "] * width
    line[at(-delta)] = line[at(delta)] = "┊"
    line[middle] = "│"
    if interval.low is not None and interval.high is not None:
        low, high = at(interval.low), at(interval.high)
        line[low:high + 1] = "─" * (high + 1 - low)
        line[low] = "◂" if interval.low < -scale else "├"
        line[high] = "▸" if interval.high > scale else "┤"
    if abs(interval.mean) <= scale:
        line[at(interval.mean)] = "●"
    else:
        line[at(interval.mean)] = "◂" if interval.mean < 0 else "▸"
    return "".join(line)
