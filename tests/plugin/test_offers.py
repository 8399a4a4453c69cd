"""What hooks return is checked, each mistake said in words; what is right is offered with where it comes from."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from benchbase import Dataset, Method, Metric, Protocol
from benchbase.errors import BenchError
from benchbase.plugin.load import Plugin
from benchbase.plugin.offers import Offer, first_sentence, no_clash, offers_of

HERE = Plugin("here", "dist", "1.2", None)


def cls(base=Method, dataclassed=None, **members):
    """A class as a plugin might write it; the selecting method is there unless it is taken out."""
    own = {"name": "mine", "select": lambda self, net, data, budget: None} if base is Method else {
        "name": "mine", "num_classes": 2, "shape": (1, 2, 2), "load": lambda self, root, split: None}
    made = type("Mine", (base,), {k: v for k, v in {**own, **members}.items() if v is not ...})
    return dataclass(**dataclassed)(made) if dataclassed is not None else made


def model(num_classes, in_channels=3):
    """A model. With more to say."""


def train(base, finetune, dense, pruned):
    return base


class Flips(Metric):
    """How many predictions changed."""

    name = "flips"


class Anonymous:
    def run(self, make, count, jobs):
        """Nothing."""


@pytest.mark.parametrize(("kind", "returned", "words"), [
    ("methods", None, "bench_methods returned NoneType, not a list"), ("methods", cls(), "returned type, not a list"), ("methods", [42], "int '42'"),
    ("methods", [cls()()], "no subclass"), ("methods", [cls(name="")], "Mine has no name"), ("methods", [cls(name="a b")], "'a b'"),
    ("methods", [cls(name="./x")], "'./x'"), ("methods", [cls(name="a:b")], "'a:b'"), ("methods", [cls(name=property(lambda self: "x"))], "property"),
    ("methods", [cls(name="x" * 101)], "at most 100"), ("methods", [cls(name="\x1b[31mred")], r"'\x1b[31mred'"),
    ("methods", [cls(version="1.2")], "version is '1.2'"), ("methods", [cls(keep_at_least=True)], "keep_at_least is True"),
    ("methods", [cls(select=...)], "does not define select"), ("methods", [cls(granularity="filter")], "granularity is 'filter'"),
    ("methods", [cls(target="user")], "target"), ("methods", [cls(scope="some")], "scope"), ("methods", [cls(dataclassed={})], "not frozen"),
    ("methods", [cls(__init__=lambda self, a=1: None)], "no dataclass"),
    ("methods", [cls(__annotations__={"images": "int"}, images=3)], "no dataclass"),
    ("methods", [Dataset], "no subclass of benchbase.Method"), ("models", [3], "no function"),
    ("models", [lambda n, in_channels=3: None], "<lambda>"),
    ("models", [train], "does not take (num_classes, in_channels=3)"), ("models", ["vgg16"], "no function"), ("datasets", [cls()], "no subclass"),
    ("datasets", [cls(Dataset, load=...)], "neither load"), ("datasets", [cls(Dataset, shape=...)], "shape"),
    ("datasets", [cls(Dataset, num_classes=...)], "num_classes"), ("datasets", [cls(Dataset)()], "no subclass"),
    ("protocols", [train], "no benchbase.Protocol"),
    ("protocols", [Protocol("a", "somewhere", train)], "start"), ("protocols", [Protocol("a", "fresh", 3)], "train"),
    ("protocols", [Protocol("", "fresh", train)], "the name ''"), ("metrics", [Flips], "no instance"),
    ("metrics", [type("M", (Metric,), {"name": "m", "better": "up"})()], "better"), ("metrics", [type("M", (Metric,), {})()], "the name ''"),
    ("executors", [Anonymous], "no object"), ("executors", [Anonymous()], "the name ''"), ("suites", ["/nowhere/x.yaml"], "/nowhere"),
    ("suites", [3], "int"),
    ("budgets", ["/nowhere/x.yaml"], "cannot read /nowhere/x.yaml")])
def test_nonsense_is_said_in_words(kind, returned, words):
    with pytest.raises((TypeError, ValueError, OSError, BenchError)) as caught:
        offers_of(kind, HERE, returned)
    assert words in str(caught.value)


@pytest.mark.parametrize("content", ["[1, 2]", "a: 3", "a: {ratio: 2}", "a: {ratoi: 0.5}", "{", "'a b': {ratio: 0.5}"])
def test_budget_files_that_are_wrong(tmp_path, content):
    (tmp_path / "b.yaml").write_text(content)
    with pytest.raises((TypeError, ValueError, BenchError)):
        offers_of("budgets", HERE, [tmp_path / "b.yaml"])


@pytest.mark.parametrize(("kind", "value", "name", "doc"), [
    ("methods", cls(), "mine", ""), ("methods", cls(dataclassed={"frozen": True}), "mine", ""),
    ("methods", cls(__annotations__={"extra": ClassVar[int]}, extra=1), "mine", ""), ("models", model, "model", "A model."),
    ("datasets", cls(Dataset), "mine", ""), ("metrics", Flips(), "flips", "How many predictions changed."),
    ("protocols", Protocol("long", "fresh", train, "2 K1"), "long", "fresh weights; epochs: 2 K1")])
def test_what_is_right_is_offered(kind, value, name, doc):
    (offer,) = offers_of(kind, HERE, (value,))
    assert offer == Offer(kind, name, value, "here", "dist", "1.2", about=offer.about) and offer.doc == doc and offer.paper == ""


def test_files_are_offered_by_what_they_hold(tmp_path):
    (tmp_path / "ours.yaml").write_text("a: {ratio: 0.5, model: vgg16, source: here}\nb: {macs: 0.25}\n")
    (tmp_path / "quick.yaml").write_text("# Quick.\nseeds: 0\n")
    a, b = offers_of("budgets", HERE, [tmp_path / "ours.yaml"])
    assert (a.name, a.value.ratio, a.value.label, a.doc) == ("a", 0.5, "a", "vgg16: here")
    assert (b.name, b.value.macs, b.value.label) == ("b", 0.25, "b")
    (suite,) = offers_of("suites", HERE, [str(tmp_path / "quick.yaml")])
    assert (suite.name, suite.value, suite.doc) == ("quick", Path(tmp_path / "quick.yaml"), "Quick.")


def test_model_names_have_dashes():
    def two_words(num_classes, in_channels=3): ...
    assert [o.name for o in offers_of("models", HERE, [two_words])] == ["two-words"]


def test_a_clash_names_both_packages():
    one, two = Offer("methods", "x", cls(), "p", "first", "1"), Offer("methods", "x", cls(), "q", "second", "1")
    no_clash([one, Offer("methods", "y", cls(), "p", "first", "1")])
    with pytest.raises(BenchError, match=r"methods named 'x': first \(plugin p\) and second \(plugin q\)") as caught:
        no_clash([one, two])
    assert "BENCH_PLUGINS" in caught.value.todo


def test_the_first_sentence_is_its_own():
    @dataclass
    class Undocumented:
        a: int = 1

    assert first_sentence(Undocumented) == first_sentence(Undocumented()) == first_sentence(cls()) == ""
    assert first_sentence(model) == "A model." and first_sentence(test_nonsense_is_said_in_words) == ""
    assert first_sentence(type("C", (), {"__doc__": "\n    Over\n    two lines? Yes.\n\n    More."})) == "Over two lines?"
