from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.values.architecture import Architecture, architecture_of

DENSE = Architecture("vgg-digits", 10, (1, 8, 8))
NAMES = st.text(min_size=1, max_size=6)
SIZES = st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple)
ANY = st.builds(Architecture, NAMES, st.integers(1, 1000), st.tuples(st.integers(1, 12), *[st.integers(1, 300)] * 2), st.dictionaries(NAMES, SIZES, max_size=3),
                st.dictionaries(NAMES, st.sets(st.integers(0, 99), max_size=4).map(lambda s: tuple(sorted(s))), max_size=2), st.lists(NAMES, max_size=2).map(tuple),
                st.sampled_from(["", "0f" * 32]), st.dictionaries(NAMES, st.integers(1, 99), max_size=2))


@given(ANY)
def test_round_trip_through_json(architecture):
    back = architecture_of(json.loads(json.dumps(architecture.to_json())))
    assert back == architecture and back.digest == architecture.digest


def test_equal_shapes_are_one_architecture_whatever_groups_are_called():
    one = replace(DENSE, shapes={"a": (2,), "b": (3, 1)}, widths={"conv1": 2})
    two = replace(DENSE, shapes={"b": (3, 1), "a": (2,)}, widths={"features.0": 2})
    assert one.digest == two.digest != replace(one, shapes={"a": (2,)}).digest


def test_each_part_is_in_the_digest():
    others = [replace(DENSE, model="x"), replace(DENSE, num_classes=11), replace(DENSE, shape=(3, 8, 8)), replace(DENSE, shapes={"a": (1,)}),
              replace(DENSE, selects={"a": (1,)}), replace(DENSE, dropped=("a",)), replace(DENSE, masks="ab" * 32)]
    assert len({a.digest for a in (DENSE, *others)}) == 8
    assert [a.dense for a in (DENSE, *others)] == [True] * 4 + [False] * 4


@pytest.mark.parametrize(("changes", "named"), [
    ({"model": ""}, "model"), ({"model": 3}, "model"), ({"num_classes": 0}, "num_classes"), ({"num_classes": True}, "num_classes"),
    ({"shape": [1, 8]}, "shape"), ({"shape": "8x8"}, "shape"), ({"shapes": {"a": [0]}}, "shapes.a"), ({"shapes": {"a": [1.5]}}, "shapes.a"),
    ({"shapes": []}, "shapes"), ({"selects": {"a": [-1]}}, "selects.a"), ({"dropped": "a"}, "dropped"), ({"dropped": [1]}, "dropped"),
    ({"selects": {"a": [1, 1]}}, "selects.a is not ascending"), ({"selects": {"a": [2, 1]}}, "selects.a is not ascending"),
    ({"num_classes": 2**15 + 1}, "more than any network"), ({"shape": [1, 2**13, 2**12]}, "more than any network"),
    ({"shape": [1025, 1, 1]}, "more than any network"), ({"shapes": {"": [1]}}, "no name"), ({"shapes": {"x" * 1001: [1]}}, "no name"),
    ({"shapes": {str(i): [1] * 1000 for i in range(1001)}}, "holds more than"), ({"num_classes": 10**400}, "num_classes"),
    ({"masks": "short"}, "masks"), ({"widths": {"a": -1}}, "widths.a"), ({"extra": 1}, "extra")])
def test_a_wrong_field_is_named(changes, named):
    with pytest.raises(BenchError, match=named) as error:
        architecture_of({**DENSE.to_json(), **changes})
    assert error.value.kind == "usage" and error.value.todo


@pytest.mark.parametrize("data", [None, [], "vgg", {}, {"model": "a"}])
def test_what_is_no_architecture_at_all(data):
    with pytest.raises(BenchError, match="not an architecture"):
        architecture_of(data)
