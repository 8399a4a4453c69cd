from __future__ import annotations

import pytest

from benchbase.errors import BenchError
from benchbase.flow.controls import controlled
from benchbase.flow.run import plan_suite
from benchbase.plugin.manager import load_plugins
from benchbase.values.spec import Suite, suite_of

PLUGINS = load_plugins()
SHORT = ("one-shot", "scratch-matched")


def parts(**said):
    """(methods, labels of budgets, protocols) of each part of a suite with its controls."""
    made = controlled(Suite(controls=True, protocols=SHORT, **said), PLUGINS)
    assert not any(part.controls for part in made.products)
    return [(part.methods, tuple(PLUGINS.budget(b).label for b in part.budgets), part.protocols) for part in made.products]


def test_each_structured_row_gets_its_widths_and_uniform_at_its_cost():
    assert parts(methods=("network-slimming",), budgets=("0.4", "macs=0.75")) == [
        (("network-slimming",), ("0.4", "macs=0.75"), (*SHORT, "unpruned-long")),
        (("random", "l1-norm", "uniform"), ("network-slimming@0.4",), SHORT),
        (("random", "l1-norm", "uniform"), ("network-slimming@macs=0.75",), SHORT)]


def test_one_ratio_everywhere_is_uniform_already_and_no_method_controls_itself():
    assert parts(methods=("l1-norm", "thinet[images=64]"), budgets=("0.5",))[1:] == [
        (("random",), ("l1-norm@0.5",), SHORT), (("random", "l1-norm"), ("thinet[images=64]@0.5",), SHORT)]


def test_a_budget_that_names_layers_says_the_widths_itself_in_the_scope_of_the_method():
    (_, control) = controlled(Suite(methods=("l1-norm",), budgets=("resnet56-a",), models=("resnet56",), controls=True), PLUGINS).products
    assert control.methods == ("random", "uniform") and control.budgets[0].scope == PLUGINS.method("l1-norm").value.scope == "inner"
    assert control.budgets[0].ratios == PLUGINS.budget("resnet56-a").ratios and control.budgets[0].like is None


def test_weights_get_masks_with_their_counts_and_blocks_as_many_of_them():
    assert parts(methods=("lamp", "sss"), budgets=("0.9",))[1:] == [(("random-mask", "layer-shuffled"), ("lamp@0.9",), SHORT),
                                                                     (("random-blocks",), ("sss@0.9",), SHORT)]


def test_controls_get_no_controls():
    assert len(parts(methods=("random", "uniform", "random-mask", "layer-shuffled", "random-blocks"), budgets=("0.5",))) == 1
    assert len(parts(methods=("l1-norm",), budgets=("network-slimming@0.5",))) == 1


def test_parts_that_do_not_ask_stay_as_they_are():
    suite = suite_of({"parts": [{"methods": ["lamp"], "controls": True}, {"methods": ["l1-norm"]}], "protocols": ["unpruned-long", "scratch-e"]})
    made = controlled(suite, PLUGINS).products
    assert [p.methods for p in made] == [("lamp",), ("random-mask", "layer-shuffled"), ("l1-norm",)] and made[2] == suite.parts[1]
    assert made[0].protocols == ("unpruned-long", "scratch-e") and controlled(Suite(), PLUGINS) == Suite()


def test_a_method_from_a_file_controls_only_what_needs_no_name(tmp_path):
    code = ("from dataclasses import dataclass\nfrom benchbase import Method, Selection\n@dataclass(frozen=True)\nclass Mine(Method):\n"
            "    name = 'mine'\n    target = '{}'\n    def select(self, net, data, budget):\n        return Selection()\n")
    for target in ("predefined", "automatic"):
        (tmp_path / f"{target}.py").write_text(code.format(target))
    (_, control) = controlled(Suite(methods=(f"{tmp_path}/predefined.py:Mine",), controls=True), PLUGINS).products
    assert control.methods == ("random", "l1-norm") and control.budgets[0].ratio == 0.5 and control.budgets[0].like is None
    with pytest.raises(BenchError, match="a method from a file"):
        controlled(Suite(methods=(f"{tmp_path}/automatic.py:Mine",), controls=True), PLUGINS)


def test_a_plan_counts_them(settings, tiny):
    suite = tiny(methods=("network-slimming",), budgets=("0.5",), protocols=("scratch-e",), seeds=(0, 1), controls=True)
    planned = plan_suite(suite, settings(), PLUGINS)
    assert planned.cells == 8 and planned.refused == ()
    assert any("unpruned-long" in entry.label for entry in planned.entries)


@pytest.mark.parametrize("said", [{"controls": "yes"}, {"controls": 1}, {"family": "all"}, {"parts": [{"family": "point"}]}])
def test_what_a_suite_may_say(said):
    with pytest.raises(BenchError):
        suite_of({"methods": ["l1-norm"], **said})
