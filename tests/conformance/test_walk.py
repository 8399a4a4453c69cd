"""The walk over everything that the benchmark itself offers, and how plugins are named."""
from __future__ import annotations

import pytest

from benchbase.conformance import walk
from benchbase.errors import BenchError
from benchbase.plugin.manager import load_plugins

PLUGINS = load_plugins()
OWN = sorted(p.name for p in PLUGINS.loaded.plugins if p.distribution == "benchbase")
DEEP = ("prunable", "rebuilds")  # reading a deep network takes seconds: its small siblings stand for it here, and tests of CIFAR networks cut it
READ = {"model vgg-digits", "model resnet-digits", "model preresnet20"}
HEAVY = {"model vgg11", "model vgg13", "model vgg19", "model vgg19-bias", "model densenet100", "model densenet-bc-100", "model resnet110",
         "model preresnet164", "model preresnet110"}  # deeper siblings, built by the same code


@pytest.mark.parametrize("plugin", OWN)
def test_no_first_party_plugin_has_a_finding(plugin, tmp_path):
    cases = walk.cases(PLUGINS, [plugin], tmp_path)
    assert [c.check for c in cases][:2] == ["loads", "light-import"]
    asked = [c for c in cases if c.subject not in HEAVY and not (c.subject.startswith("model ") and c.check in DEEP and c.subject not in READ)]
    found = [str(f) for c in asked for f in walk.run(c).findings]
    assert not found, "\n".join(found)


def test_everything_offered_is_walked(tmp_path):
    subjects = {c.subject for c in walk.cases(PLUGINS, OWN, tmp_path)}
    offers = [o for kind in walk.CHECKED for o in PLUGINS.offers(kind) if o.plugin in OWN]
    assert {walk.subject_of(o) for o in offers} <= subjects and len(offers) > 50


def test_names(faulty, tmp_path):
    plugins = faulty("methods", "callbacks")
    by_package = walk.cases(plugins, ["bench-callbacks"], tmp_path)
    assert {c.plugin for c in by_package} == {"callbacks"} and len(by_package) == len(walk.cases(plugins, ["callbacks", "callbacks"], tmp_path))
    assert walk.own(plugins) == ["methods", "callbacks"]
    with pytest.raises(BenchError, match="unknown plugin 'callback'") as caught:
        walk.cases(plugins, ["callback"], tmp_path)
    assert "did you mean 'callbacks'" in caught.value.todo


def test_a_method_in_a_file(tmp_path):
    (tmp_path / "mine.py").write_text("from benchbase import Method\n\nclass Mine(Method):\n    name = 'mine'\n    def select(self, net, data, budget):\n"
                                      "        raise KeyError('nothing')\n")
    cases = walk.cases(PLUGINS, [f"{tmp_path / 'mine.py'}:Mine"], tmp_path)
    found = {f.check: f.what for c in cases for f in walk.run(c).findings}
    assert set(found) == {"docs", "metadata", "select"} and "KeyError: 'nothing'" in found["select"]


def test_what_a_plugin_raises_is_a_finding_with_its_place():
    def call():
        raise ZeroDivisionError("nothing to divide by")
    (finding,) = walk.run(walk.Case("mine", "metric mine", "finite-number", call)).findings
    assert "ZeroDivisionError: nothing to divide by" in finding.what and "test_walk.py, line" in finding.todo


def test_names_that_clash_are_the_plugins_finding(faulty, tmp_path):
    plugins = faulty("methods")
    plugins.gathered["methods"] = (*plugins.offers("methods"), *PLUGINS.offers("methods"), PLUGINS.offers("methods")[0].__class__(
        "methods", "l1-norm", PLUGINS.offer("methods", "l1-norm").value, "methods", "bench-methods", "1.0"))
    (case,) = [c for c in walk.cases(plugins, ["methods"], tmp_path) if c.check == "loads"]
    (finding,) = walk.run(case).findings
    assert "'l1-norm'" in finding.what and finding.todo == "give yours another name"
