from __future__ import annotations

import json

import pytest

from .conftest import bench

METHOD = """
from dataclasses import dataclass
from benchbase import Method, Selection, hookimpl

@dataclass(frozen=True)
class Mine(Method):
    '''Keeps the first channels.'''
    name = "NAME"
    paper = "Me. Ours. 2025"
    def select(self, net, data, budget):
        return Selection({g.name: range(budget.keep(g)) for g in net.groups})

@hookimpl
def bench_methods():
    return [Mine]
"""


def test_everything_with_where_it_comes_from():
    said = bench("list")
    assert (said.code, said.err) == (0, "")
    for line in ("methods", "models", "datasets", "protocols", "executors", "budgets"):
        assert f"{line}\n" in said.out
    row = next(line for line in said.out.splitlines() if line.split()[:1] == ["thinet"])
    assert "benchbase 0." in row and "(thinet)" in row and "ICCV 2017" in row
    assert "cannot be loaded" not in said.out


def test_one_kind():
    assert bench("list", "protocols").out.startswith("protocols\n") and "thinet" not in bench("list", "protocols").out
    assert bench("list", "metrics").out == "metrics\n  none\n" and "\n  smoke " in bench("list", "suites").out


def test_a_kind_that_is_not_there():
    said = bench("list", "method")
    assert said.code == 2 and said.lines[0] == "error: unknown kind 'method'" and "did you mean 'methods'" in said.lines[1]


def test_as_json():
    found = json.loads(bench("list", "--json").out)
    assert set(found) == {"methods", "models", "datasets", "protocols", "metrics", "executors", "suites", "budgets", "broken"}
    assert found["broken"] == []
    assert {m["name"] for m in found["methods"]} >= {"l1-norm", "thinet", "random", "uniform"}
    assert set(json.loads(bench("list", "models", "--json").out)) == {"models", "broken"}
    thinet = next(m for m in found["methods"] if m["name"] == "thinet")
    assert (thinet["plugin"], thinet["distribution"]) == ("thinet", "benchbase") and thinet["version"] and "1707.06342" in thinet["paper"]


def test_plugins_that_cannot_be_loaded_come_last(package):
    package("broken", "import nothing_like_it\n")
    package("mine", METHOD)
    said = bench("list", "methods")
    assert said.code == 0 and "  mine-plugins 1.2 (mine)  Me. Ours. 2025".split()[0] in said.out
    tail = said.out.splitlines()[-2:]
    assert tail[0] == "plugins that cannot be loaded" and tail[1].split()[:2] == ["broken", "broken-plugins"]
    assert "No module named 'nothing_like_it'" in tail[1]
    (told,) = json.loads(bench("list", "--json").out)["broken"]
    assert told["plugin"] == "broken" and "nothing_like_it" in told["error"]


@pytest.mark.parametrize("verb", [("list",), ("list", "methods"), ("run", "-m", "l1-norm"), ("show", "thinet")])
def test_a_name_that_two_offer_names_both(package, verb):
    package("mine", METHOD.replace("NAME", "l1-norm"))
    said = bench(*verb)
    assert (said.code, len(said.lines)) == (2, 2)
    assert all(part in said.lines[0] for part in ("'l1-norm'", "benchbase", "mine-plugins"))
    assert bench("list", "models").code == 0


def test_only_the_plugins_that_are_asked_for(package, monkeypatch):
    package("mine", METHOD.replace("NAME", "mine"))
    monkeypatch.setenv("BENCH_PLUGINS", "mine,digits")
    found = json.loads(bench("list", "--json").out)
    assert [m["name"] for m in found["methods"]] == ["mine"] and found["models"] == []
    monkeypatch.setenv("BENCH_PLUGINS", "mien")
    assert bench("list").code == 2 and "did you mean 'mine'" in bench("list").err
