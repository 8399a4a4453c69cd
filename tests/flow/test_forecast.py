from __future__ import annotations

import pytest

from benchbase.flow.do import Event
from benchbase.flow.facts import Fact
from benchbase.flow.forecast import Forecast, forecast, line, prices, taken
from benchbase.flow.plan import Entry

HERE, THERE = ("cpu", "fp32", 1, "auto", False, "this"), ("cpu", "fp32", 1, "auto", False, "that")
VGG, RES = ("vgg", "digits", ""), ("resnet", "digits", "")


def train(key: str, seconds: float, images: int, macs: int, about=VGG, place=HERE, size: int = 1000) -> Fact:
    return Fact(key, "train", seconds, size, place, about, images, macs)


def left(kind: str = "train", images: int = 0, work: int = 0, about=VGG, key: str = "left") -> Entry:
    return Entry(kind, key, "", False, 1, about=about, images=images, work=work)


def test_a_training_by_the_line_through_those_of_its_model():
    """2 ms an image and 1 ms for each hundred multiply-adds: 10 images of 100 take 30 ms, of 400 60 ms; others lie between, exactly."""
    facts = [train("a", 0.030, 10, 1000), train("b", 0.060, 10, 4000), train("c", 9.0, 10, 4000, RES)]
    (price,) = prices([left(images=20, work=4000)], facts, HERE).values()
    assert price.seconds == pytest.approx(20 * 0.002 + 4000 * 1e-5) and (price.within, price.size) == (0.15, 1000)
    assert prices([left(images=10, work=100)], facts, HERE)["left"].within == 0.5  # ten times smaller than any that has run


def test_one_size_alone_says_so_much_a_multiply_add():
    facts = [train("a", 10.0, 5, 100), train("b", 30.0, 5, 100)]
    price = prices([left(images=5, work=100)], facts, HERE)["left"]
    assert price.seconds == pytest.approx(20) and price.within == pytest.approx(0.5)  # one took half of that, one half more
    assert forecast([left(images=20, work=400)], facts, HERE).seconds == pytest.approx(80)
    assert forecast([left(images=20, work=400)], facts, HERE, jobs=4).seconds == pytest.approx(20)


def test_another_model_stands_in_and_is_less_sure():
    facts = [train("a", 10.0, 5, 100, RES)]
    price = prices([left(images=5, work=100)], facts, HERE)["left"]
    assert (price.seconds, price.within) == (pytest.approx(10), 1.0)
    assert forecast([left(images=5, work=100)], facts, HERE).within == 1.0


def test_what_ran_elsewhere_or_tells_nothing_says_nothing():
    facts = [train("a", 10.0, 5, 100, place=THERE), train("b", 10.0, 5, 100, place=None), train("c", 10.0, 5, 0)]
    assert forecast([left(images=5, work=100)], facts, HERE) == Forecast(None, None)


def test_a_stage_of_the_plan_needs_to_tell_nothing():
    """The plan knows what a stage of an older store computed: its key holds the machine."""
    old = Entry("train", "b", "", True, 1, about=VGG, images=5, work=100)
    ahead = forecast([old, left(images=5, work=200)], [train("b", 10.0, 0, 0, ("", "", ""), None)], HERE)
    assert ahead.seconds == pytest.approx(20)


def test_the_rest_by_its_nearest_kin():
    """Of the same model, data set and method; else without the method; else of all."""
    facts = [Fact("a", "prune", 2.0, 10, HERE, ("vgg", "digits", "thinet")), Fact("b", "prune", 4.0, 10, HERE, ("vgg", "digits", "l1-norm")),
             Fact("c", "prune", 9.0, 40, HERE, ("resnet", "cifar10", "l1-norm"))]

    def price(*about: str) -> tuple[float, float]:
        found = prices([left("prune", about=about)], facts, HERE)["left"]
        return round(found.seconds, 6), round(found.within, 2)
    assert price("vgg", "digits", "thinet") == (2.0, 0.15) and price("vgg", "digits", "random") == (3.0, 0.5)
    assert price("densenet", "cifar100", "random") == (5.0, 1.0)
    assert forecast([left("gauge", key="g")], [Fact("m", "measure", 1.5, 10, HERE)], HERE).seconds == 1.5


def test_unknown_where_nothing_of_the_kind_has_run():
    entries = [left(images=5, work=100), left("prune", key="p")]
    assert forecast(entries, [Fact("a", "prune", 2.0, 10, HERE)], HERE) == Forecast(None, None, None)
    assert set(prices(entries, [Fact("a", "prune", 2.0, 10, HERE)], HERE)) == {"p"}


def test_nothing_left_is_nothing():
    assert forecast([], [], HERE) == Forecast(0.0, 0, 0.0)


@pytest.mark.parametrize("runs, a, b", [
    ([(1, 1, 3.0), (2, 4, 10.0), (1, 3, 7.0)], 1, 2), ([(1, 1, 1.0), (1, 2, 4.0)], 0, 5 / 3), ([(1, 1, 4.0), (3, 6, 6.0)], 2.5, 0), ([(1, 2, 3.0), (1, 2, 5.0)], 0, 2)])
def test_a_line_that_is_nowhere_below_zero(runs, a, b):
    """Exact points; one that would start below zero; one that would fall; one size alone. All together take what they took."""
    assert line(runs) == pytest.approx((a, b))
    assert sum(a * images + b * macs for images, macs, _ in runs) == pytest.approx(sum(seconds for *_, seconds in runs))


def test_the_line_is_numpys():
    numpy = pytest.importorskip("numpy")
    runs = [(100, 500, 40.0), (50, 700, 45.0), (300, 600, 90.0), (80, 100, 21.0)]
    x, y, images = (numpy.array(v, float) for v in ([m / n for n, m, _ in runs], [s / n for n, _, s in runs], [n for n, *_ in runs]))
    b, a = numpy.polyfit(x, y, 1, w=numpy.sqrt(images))
    assert line(runs) == pytest.approx((a, b))


def test_what_was_taken_is_of_stages_and_not_of_waiting():
    """Of a stage that another process ran meanwhile it counts what that one took; of one that was there before, nothing."""
    events = [Event("train", "a", False, 4.0, numbers={"seconds": 3.9}), Event("train", "a", True, 0.1, numbers={"seconds": 3.9}),
              Event("train", "b", True, 7.5, numbers={"seconds": 2.0}), Event("train", "c", True, 0.0, numbers={"seconds": 50.0}),
              Event("train", "d", False, 1.0, numbers={"seconds": 6.0}), Event("prune", "e", False, 2.0), Event("resolve", "f", False, 100.0)]
    assert taken(events, {"c"}) == pytest.approx(4 + 2 + 6 + 2) and taken(events, {"c"}, jobs=2) == pytest.approx(7)
