from __future__ import annotations

import pytest

from benchbase.board.condition import condition
from benchbase.board.stats import Interval
from benchbase.errors import BenchError


@pytest.mark.parametrize(("text", "change", "holds"), [
    ("top1:-0.5pp", Interval(-0.51, -2, 1, 5), True), ("top1:-0.5pp", Interval(-0.5, -2, 1, 5), False), ("top1:-0.5pp", Interval(0.4, -2, 1, 5), False),
    ("top1.mean:-0.5pp", Interval(-0.6, -2, 1, 5), True), ("top1.low:-0.5pp", Interval(0.1, -0.6, 0.8, 5), True),
    ("top1.low:-0.5pp", Interval(0.1, -0.4, 0.6, 5), False), ("top1.high:-0.5pp", Interval(-2, -3, -0.6, 5), True),
    ("top1.high:-0.5pp", Interval(-2, -4, 0.1, 5), False), ("top1:+1pp", Interval(1.2, 0, 2, 5), True), ("top1:+1pp", Interval(-5, 0, 2, 5), False),
    ("top1:-0pp", Interval(-0.01, -1, 1, 5), True), ("top1:-0pp", Interval(0.0, 0, 0, 5), False), ("top1:-.5 pp", Interval(-0.6, 0, 0, 5), True)])
def test_a_fall_beyond_a_negative_limit_or_a_rise_beyond_a_positive_one(text, change, holds):
    assert condition(text).holds({("top1", "pp"): change}) is holds


@pytest.mark.parametrize(("text", "key"), [("loss:+5%", ("loss", "%")), ("loss:+0.02", ("loss", "")), ("params:+0%", ("params", "%")),
                                           ("macs.high:+1%", ("macs", "%")), ("macs_nonzero:+100", ("macs_nonzero", ""))])
def test_units(text, key):
    assert condition(text).holds({key: Interval(1e6, 1e6, 1e6, 3)}) and not condition(text).holds({key: Interval(0.0, 0.0, 0.0, 3)})


@pytest.mark.parametrize(("text", "says"), [
    ("top1", "no condition"), ("", "no condition"), ("top2:-1pp", "unknown metric"), ("top1.median:-1pp", "unknown end"), ("top1:-1", "no limit of top1"),
    ("top1:-1%", "no limit of top1"), ("loss:+1pp", "no limit of loss"), ("top1:1pp", "a fall or a rise"), ("top1:-pp", "no limit"),
    ("top1:-nanpp", "no limit"), ("top1:-1e3pp", "no limit"), ("top1:", "nothing is no limit"), ("macs:+inf%", "no limit")])
def test_what_is_no_condition_is_refused_in_words(text, says):
    with pytest.raises(BenchError, match=says) as caught:
        condition(text)
    assert caught.value.todo


def test_one_pair_has_no_ends():
    one = {("top1", "pp"): Interval(-3.0, None, None, 1)}
    assert condition("top1:-0.5pp").holds(one)
    with pytest.raises(BenchError, match="one pair of seeds"):
        condition("top1.low:-0.5pp").holds(one)
