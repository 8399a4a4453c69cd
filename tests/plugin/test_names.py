from __future__ import annotations

import doctest
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.plugin import names
from benchbase.plugin.names import params_of, parse_name, with_params


@dataclass(frozen=True)
class Thing:
    """Every type of parameter that can be written."""

    count: int = 3
    rate: float = 0.5
    on: bool = True
    label: str = "plain"
    kind: Literal["soft", "hard", 3] = "soft"
    limit: int | None = None
    older: Optional[float] = None  # noqa: UP045
    layers: tuple[int, ...] = ()
    either: int | str = 1
    path: str = field(default="", metadata={"identity": False})
    table: dict[str, int] = field(default_factory=dict)
    derived: int = field(default=0, init=False)
    name: ClassVar[str] = "thing"


@dataclass(frozen=True)
class Needs:
    images: int
    unreadable: NoSuchType = 4  # type: ignore[name-defined]  # noqa: F821 -- as an import under TYPE_CHECKING would leave it

    def __post_init__(self) -> None:
        if self.images < 1:
            raise BenchError("no images", "give some")
        if self.images == 13:
            raise ZeroDivisionError("unlucky\nvery")


def test_doctests():
    assert doctest.testmod(names).failed == 0


@pytest.mark.parametrize(("text", "name", "params"), [
    ("thinet", "thinet", {}), (" thinet [ images = 64 , refit=false ] ", "thinet", {"images": "64", "refit": "false"}), ("thinet[]", "thinet", {}),
    ("a[x=1,2,y=]", "a", {"x": "1,2", "y": ""}), ("a[x=b=c]", "a", {"x": "b=c"}),
    ("imagefolder:/d/a b[size=32]", "imagefolder:/d/a b", {"size": "32"}),
    ("imagefolder:/d/a[1][size=32]", "imagefolder:/d/a[1]", {"size": "32"}), ("./m.py:My[a-b=1]", "./m.py:My", {"a-b": "1"}), ("", "", {})])
def test_parse_name(text, name, params):
    assert parse_name(text) == (name, params)


@pytest.mark.parametrize("text", ["thinet[64]", "thinet]", "thinet[images=64", "thinet[images=64]x", "a[x=1,x=2]", "a[=1]", "a[,]"])
def test_texts_that_are_no_names(text):
    with pytest.raises(BenchError) as caught:
        parse_name(text)
    assert text.strip() in caught.value.what and caught.value.todo


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True), st.from_regex(r"[A-Za-z0-9./_-]{0,8}", fullmatch=True), max_size=4))
def test_what_is_written_is_read(params):
    text = f"method[{','.join(f'{k}={v}' for k, v in params.items())}]"
    assert parse_name(text) == ("method", params)


def test_each_type_is_read_from_text():
    said = {"count": "-7", "rate": "1e-3", "on": "False", "label": "a=b", "kind": "3", "limit": "9", "older": "none", "layers": "1, 2,3",
            "either": "x",
            "path": "/tmp"}
    assert with_params(Thing, said) == Thing(-7, 1e-3, False, "a=b", 3, 9, None, (1, 2, 3), "x", "/tmp")
    assert with_params(Thing, {"older": "2", "either": "5", "limit": "None"}) == Thing(older=2.0, either=5)
    assert with_params(Needs, {"images": "2", "unreadable": "5"}) == Needs(2, 5)


@pytest.mark.parametrize(("params", "words"), [
    ({"counts": "1"}, ["parameter of thing 'counts'", "'count'"]), ({"count": "1.5"}, ["thing[count=1.5]", "whole number"]),
    ({"count": ""}, ["whole number"]),
    ({"rate": "nan"}, ["finite"]), ({"rate": "inf"}, ["finite"]), ({"on": "yes"}, ["true or false"]), ({"kind": "sof"}, ["sof", "soft"]),
    ({"layers": "1,x"}, ["whole number"]), ({"limit": "few"}, ["whole number"]), ({"table": "a"}, ["cannot be given as text"]),
    ({"derived": "1"}, ["'derived'"])])
def test_wrong_parameters(params, words):
    with pytest.raises(BenchError) as caught:
        with_params(Thing, params)
    assert all(word in str(caught.value) for word in words) and caught.value.todo and caught.value.kind == "usage"


def test_what_the_constructor_says():
    with pytest.raises(BenchError, match="no images"):
        with_params(Needs, {"images": "0"})
    with pytest.raises(BenchError, match=r"Needs\[images=13\] cannot be made: ZeroDivisionError: unlucky") as caught:
        with_params(Needs, {"images": "13"})
    assert "\n" not in caught.value.what and isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(BenchError, match="Needs needs images"):
        with_params(Needs, {})
    with pytest.raises(BenchError, match="no parameters"):
        with_params(type("Bare", (), {"name": "bare"}), {"a": "1"})


def test_params_are_the_fields_that_count():
    assert params_of(Thing(count=4, path="/home")) == {"count": 4, "rate": 0.5, "on": True, "label": "plain", "kind": "soft", "limit": None,
                                                       "older": None,
                                                       "layers": (), "either": 1, "table": {}}
    assert params_of(Thing) == params_of(Thing()) and params_of(Needs) == {"unreadable": 4} and params_of(object()) == {}
