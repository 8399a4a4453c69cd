from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.values.budget import Budget, budget_of, keep_count, parse_budget, rounded
from benchbase.values.digest import digest

RATIO = st.decimals("0.001", "0.999", places=3)


@dataclass(frozen=True)
class Layer:
    name: str
    width: int


@given(st.integers(1, 5000), RATIO)
def test_keep_is_exact(width, ratio):
    """Against rational arithmetic: no ratio is off by one, as float arithmetic is."""
    exact = math.floor(width * (1 - Fraction(str(ratio))))
    assert keep_count(width, float(ratio)) == keep_count(width, str(ratio)) == keep_count(width, ratio) == exact
    assert Budget(ratio=float(ratio)).keep(Layer("any", width)) == exact


def test_float_arithmetic_would_be_wrong():
    wrong = [(w, r / 100) for w in (10, 50, 100, 200) for r in range(1, 100) if int(w * (1 - r / 100)) != keep_count(w, r / 100)]
    assert len(wrong) > 10 and keep_count(10, 0.9) == 1 and keep_count(512, Decimal("0.3")) == 358


def test_the_first_glob_that_matches_decides():
    budget = Budget(ratios={"layer1.7.*": 0.0, "layer1.*": 0.6, "layer2.0.conv1": 0.3})
    widths = {name: budget.keep(Layer(name, 16)) for name in ("layer1.7.conv1", "layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1")}
    assert widths == {"layer1.7.conv1": 16, "layer1.0.conv1": 6, "layer2.0.conv1": 11, "layer3.0.conv1": 16}


def test_widths_are_taken_as_they_are():
    budget = Budget(widths={"a": 3})
    assert budget.keep(Layer("a", 10)) == 3 and budget.keep(Layer("b", 10)) == 10


def test_blocks_by_name():
    budget = budget_of({"dropped": ["layer1.0", "layer2.1"]}, "ours")
    assert budget == Budget(dropped=("layer1.0", "layer2.1")) and budget.label == "ours" and Budget(dropped=("a",)).label.startswith("blocks-")
    assert budget.to_json() == {"dropped": ["layer1.0", "layer2.1"], "name": "ours"} and budget_of(budget.to_json()) == budget
    assert digest(Budget(ratio=0.5)) == digest(Budget(ratio=0.5, dropped=()))  # old identities stand
    for bad in (["a", "a"], [""], [3], "layer1", {"a": 1}):
        with pytest.raises(BenchError, match="dropped"):
            budget_of({"dropped": bad})
    with pytest.raises(BenchError, match="ratio and dropped"):
        Budget(ratio=0.5, dropped=("a",))
    with pytest.raises(BenchError, match="no width"):
        budget.keep(Layer("a", 10))


def test_like_another_method():
    budget = parse_budget("network-slimming[penalty=1e-5]@macs=0.5")
    assert budget == Budget(macs=0.5, like="network-slimming[penalty=1e-5]") and budget.label == "network-slimming[penalty=1e-5]@macs=0.5"
    assert Budget(ratio=0.5, like="magnitude").label == "magnitude@0.5" and budget_of(budget.to_json()) == budget
    assert digest(Budget(ratio=0.5)) == digest(Budget(ratio=0.5, like=None)) != digest(Budget(ratio=0.5, like="magnitude"))
    with pytest.raises(BenchError, match="magnitude leaves"):
        Budget(ratio=0.5, like="magnitude").keep(Layer("a", 10))
    for wrong in ({"widths": {"a": 1}, "like": "magnitude"}, {"ratio": 0.5, "like": ""}, {"ratio": 0.5, "like": 3}, {"ratio": 0.5, "like_seed": 0},
                  {"ratio": 0.5, "like": "magnitude", "like_seed": -1}, {"ratio": 0.5, "like": "magnitude", "like_seed": True}):
        with pytest.raises(BenchError, match="like"):
            budget_of(wrong)


def test_like_another_method_with_one_seed():
    budget = parse_budget("network-slimming@macs=0.5#0")
    assert budget == Budget(macs=0.5, like="network-slimming", like_seed=0) and budget.label == "network-slimming@macs=0.5#0"
    assert budget.own == parse_budget("macs=0.5") and budget.own.label == "macs=0.5" and Budget(ratio=0.5).own == Budget(ratio=0.5)
    assert Budget(ratio=0.5, like="magnitude", like_seed=3).label == "magnitude@0.5#3" and budget_of(budget.to_json()) == budget
    assert len({digest(b) for b in (budget, replace(budget, like_seed=1), replace(budget, like_seed=None))}) == 3
    for text in ("magnitude@0.5#", "magnitude@0.5#x", "magnitude@0.5#-1", "magnitude@0.5#1#2", "magnitude@0.5#" + "9" * 20):
        with pytest.raises(BenchError, match="seed"):
            parse_budget(text)


@given(st.integers(1, 600), st.integers(2, 64), RATIO)
def test_widths_are_rounded_to_the_nearest_multiple(width, multiple, ratio):
    """Against a search over all multiples."""
    count = keep_count(width, ratio)
    nearest = min(range(multiple, width + 2 * multiple, multiple), key=lambda m: (abs(m - count), -m))
    kept = Budget(ratio=float(ratio), round_to=multiple).keep(Layer("any", width))
    assert kept == rounded(count, width, multiple) == min(nearest, width) and 1 <= kept <= width
    assert rounded(width, width, multiple) == width and rounded(count, width, None) == count


def test_an_awkward_share_rounded():
    """0.37 of the widths of a VGG: floor(w 0.63) is 40, 80, 161, 322; of 12 channels 7, of 6 channels 3."""
    plain, by8, by16 = (parse_budget(text) for text in ("0.37", "0.37[round_to=8]", "0.37[round_to=16]"))
    kept = [[budget.keep(Layer("a", width)) for width in (64, 128, 256, 512, 12, 6)] for budget in (plain, by8, by16)]
    assert kept == [[40, 80, 161, 322, 7, 3], [40, 80, 160, 320, 8, 6], [48, 80, 160, 320, 12, 6]]
    some = budget_of({"ratios": {"a": 0.9, "b": 0.0}, "round_to": 8})
    assert [some.keep(Layer(name, 20)) for name in "abc"] == [8, 20, 20]  # nothing of a would be an error; b and c are kept whole


@pytest.mark.parametrize(("text", "budget"), [
    ("0.5[round_to=8]", Budget(ratio=0.5, round_to=8)), (" macs=0.5[ round_to = 4 ]", Budget(macs=0.5, round_to=4)),
    ("compression=8[round_to=16]", Budget(params=0.875, round_to=16)), ("mine[round_to=8]", Budget(ratios={"a": 0.5}, round_to=8)),
    ("thinet[images=32]@0.5", Budget(ratio=0.5, like="thinet[images=32]")),
    ("thinet[images=32]@0.5[round_to=8]#2", Budget(ratio=0.5, like="thinet[images=32]", like_seed=2, round_to=8))])
def test_texts_with_a_multiple(text, budget):
    made = parse_budget(text, {"mine": Budget(ratios={"a": 0.5}, name="mine")})
    assert made == budget and made.label == text.strip()
    if not budget.ratios:
        assert parse_budget(budget.label) == budget and parse_budget(budget.own.label) == budget.own == replace(budget, like=None, like_seed=None)


def test_no_multiple_is_no_part_of_the_identity():
    assert digest(Budget(ratio=0.5)) == digest(Budget(ratio=0.5, round_to=None)) != digest(Budget(ratio=0.5, round_to=8))
    assert digest(Budget(ratio=0.5)) == "d63e552e93b8095b04ceba39f918fcb51525d4df813452b829d1fe911059d1fb"  # old keys stand
    assert "round_to" not in Budget(ratio=0.5).to_json()
    assert budget_of(Budget(ratio=0.5, round_to=8).to_json()) == Budget(ratio=0.5, round_to=8)


def test_a_share_has_no_width_before_it_is_resolved():
    with pytest.raises(BenchError, match="macs=0.5"):
        Budget(macs=0.5).keep(Layer("a", 10))


@pytest.mark.parametrize(("text", "budget"), [
    ("0.5", Budget(ratio=0.5)), (" ratio=0.25", Budget(ratio=0.25)), ("macs=0.75", Budget(macs=0.75)), ("params=0.5", Budget(params=0.5)),
    ("compression=8", Budget(params=0.875)), ("compression=10", Budget(params=0.9)), ("mine", Budget(widths={"a": 1}))])
def test_texts(text, budget):
    assert parse_budget(text, {"mine": Budget(widths={"a": 1}, name="mine")}) == budget


@pytest.mark.parametrize(("budget", "label"), [
    (parse_budget("0.50"), "0.50"), (Budget(ratio=0.5), "0.5"), (Budget(macs=0.25), "macs=0.25"), (parse_budget("compression=8"), "compression=8"),
    (Budget(widths={"a": 1}, name="vgg16-a"), "vgg16-a")])
def test_labels(budget, label):
    assert budget.label == label


def test_widths_without_a_name_are_called_by_their_digest():
    one, two = Budget(widths={"a": 1}), Budget(widths={"a": 2})
    assert one.label.startswith("widths-") and one.label != two.label


def test_a_name_is_no_part_of_its_identity():
    named = parse_budget("half", {"half": Budget(ratio=0.5, name="half")})
    assert named == Budget(ratio=0.5) and digest(named) == digest(Budget(ratio=0.5)) != digest(Budget(ratio=0.5, scope="all"))


BUDGETS = st.one_of(st.builds(Budget, ratio=st.floats(0.01, 0.99), scope=st.sampled_from(["", "inner", "all"])),
                    st.builds(Budget, ratios=st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0, 0.99), min_size=1, max_size=4)),
                    st.builds(Budget, widths=st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 999), min_size=1, max_size=4)),
                    st.builds(Budget, macs=st.floats(0.01, 0.99), name=st.text(min_size=1, max_size=5)))


@given(BUDGETS)
def test_round_trip_through_plain_data(budget):
    back = budget_of(budget.to_json())
    assert back == budget and back.label == budget.label and digest(back) == digest(budget)


def test_plain_data_of_files():
    assert budget_of({"ratios": {"a": "0.5"}, "model": "vgg16", "source": "a paper"}, name="n") == Budget(ratios={"a": 0.5})
    assert budget_of(0.5) == Budget(ratio=0.5) and budget_of("macs=0.5") == Budget(macs=0.5)


@pytest.mark.parametrize("text", ["0", "1", "1.0", "-0.1", "nan", "inf", "50%", "", "macs=", "macs=2", "compression=1", "compression=x",
                                  "ratios=0.5", "vgg61-a", "0.5[round_to=1]", "0.5[round_to=-8]", "0.5[round_to=8", "0.5[]", "0.5[scope=8]",
                                  "[round_to=8]", "0.5[round_to=8][round_to=8]", "0.5[round_to=8]#0", "0.5[round_to=²]"])
def test_bad_texts(text):
    with pytest.raises(BenchError) as error:
        parse_budget(text, {"vgg16-a": Budget(ratio=0.5)})
    assert error.value.todo and error.value.kind == "usage"


def test_near_misses_are_named():
    with pytest.raises(BenchError, match="did you mean 'vgg16-a'"):
        parse_budget("vgg61-a", {"vgg16-a": Budget(ratio=0.5)})


@pytest.mark.parametrize("data", [{"ratio": 10**400}, {"ratios": {"a": 10**400}}, {"ratio": 0.5, "scope": {"a": 1}}, {"ratio": 0.5, "scope": [1]}, {},
                                  {"ratio": 0.5, "macs": 0.5}, {"ratio": True}, {"ratios": [0.5]}, {"ratios": {"a": 1}}, {"widths": {"a": 0}},
                                  {"widths": {"a": 1.5}}, {"widths": {"a": True}}, {"ratio": 0.5, "scope": "outer"}, {"ration": 0.5}, {"macs": "x"},
                                  {"ratio": 0.5, "round_to": 1}, {"ratio": 0.5, "round_to": 8.0}, {"ratio": 0.5, "round_to": True},
                                  {"widths": {"a": 8}, "round_to": 8}, {"dropped": ["a"], "round_to": 8}, {"round_to": 8}])
def test_bad_tables(data):
    with pytest.raises(BenchError) as error:
        budget_of(data)
    assert error.value.todo
