from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
import yaml

from benchbase.errors import BenchError
from benchbase.plugin.manager import load_plugins
from benchbase.plugin.scaffold import new

PLUGINS = load_plugins()
ROOT = Path(__file__).parents[2]
MINE = """from benchbase import Method, Selection

class Mine(Method):
    '''Keeps the last channels.'''
    name, paper = "mine-own", "unpublished"

    def select(self, net, data, budget):
        return Selection({g.name: tuple(range(g.width - budget.keep(g), g.width)) for g in net.groups})
"""


@pytest.mark.parametrize("kind", ["method", "model", "dataset", "protocol"])
def test_every_file_reads(kind, tmp_path):
    made = new(kind, "my-idea", tmp_path / "deep", PLUGINS)
    assert made.folder == tmp_path / "deep" / "my-idea" and sorted(made.files) == sorted(
        str(p.relative_to(made.folder)) for p in made.folder.rglob("*") if p.is_file())
    for file in made.folder.rglob("*.py"):
        ast.parse(file.read_text())
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "bench-my-idea" and project["entry-points"]["benchbase"] == {"my-idea": f"my_idea.{kind}"}
    steps = yaml.safe_load((made.folder / ".github/workflows/check.yml").read_text())["jobs"]["check"]["steps"]
    assert {"run": "bench check my-idea"} in steps and "my-idea" in made.run
    assert list(yaml.safe_load((made.folder / ".github/workflows/check.yml").read_text())["jobs"]) == ["check"]
    assert "YOUR" in (made.folder / made.edit).read_text() and made.edit in (made.folder / "README.md").read_text()
    assert not [p for p in made.folder.rglob("*") if p.is_file() and "$" in p.read_text()]


@pytest.mark.parametrize("kind, method, more", [("method", "my-idea", ""), ("model", "l1-norm", "--model my-idea"),
                                                ("dataset", "l1-norm", "--dataset my-idea"), ("protocol", "l1-norm", "--protocol my-idea")])
def test_the_workflow_calls_the_reusable_check_where_it_is_said_whose(kind, method, more, tmp_path):
    made = new(kind, "my-idea", tmp_path, PLUGINS, home="someone/benchbase")
    job = yaml.safe_load((made.folder / ".github/workflows/check.yml").read_text())["jobs"]["digits"]
    called = yaml.safe_load((ROOT / ".github/workflows/plugin.yml").read_text())[True]["workflow_call"]["inputs"]  # YAML reads `on` as true
    assert job["uses"] == "someone/benchbase/.github/workflows/plugin.yml@main"
    assert job["with"] == {"benchbase": "someone/benchbase", "plugin": "my-idea", "method": method, "arguments": more}
    assert set(job["with"]) <= set(called) and {name for name, asked in called.items() if asked.get("required")} <= set(job["with"])
    as_comment = new(kind, "my-other", tmp_path, PLUGINS).folder / ".github/workflows/check.yml"
    lines = [line for line in as_comment.read_text().splitlines() if line.startswith("  # ")]
    assert set(yaml.safe_load("\n".join(line.removeprefix("  # ") for line in lines))) == {"digits"}


@pytest.mark.parametrize("home", ["benchbase", "https://github.com/a/b", "a/b/c", "a b/c", "/b", "-a/b"])
def test_no_repository(home, tmp_path):
    with pytest.raises(BenchError, match="no repository on GitHub"):
        new("method", "my-idea", tmp_path, PLUGINS, home=home)
    assert not list(tmp_path.iterdir())


def test_the_method_is_short(tmp_path):
    made = new("method", "my-idea", tmp_path, PLUGINS)
    body = (made.folder / made.edit).read_text().partition("class ")[2].partition("@hookimpl")[0]
    assert len(body.strip().splitlines()) <= 21


@pytest.mark.parametrize(("name", "said"), [
    ("My_Idea", "as my-idea"), ("my--idea", "as my-idea"), ("9lives", "as lives"), ("", "small letters"), ("../up", "as up"), ("x" * 51, "at most 50"),
    ("json", "there is a module 'json'"), ("torch", "there is a module 'torch'"), ("class", "module 'class'"), ("method", "module 'method'"),
    ("tests", "module 'tests'"), ("l1-norm", "called l1-norm already")])
def test_names_that_cannot_be(name, said, tmp_path):
    with pytest.raises(BenchError) as caught:
        new("method", name, tmp_path, PLUGINS)
    assert said in str(caught.value) and not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "my-idea").mkdir()
    with pytest.raises(BenchError, match="exists"):
        new("method", "my-idea", tmp_path, PLUGINS)
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="cannot write"):
        new("method", "my-idea", tmp_path / "file", PLUGINS)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "my-idea"]


@pytest.mark.parametrize("hook", ["", "\nfrom benchbase import hookimpl\n\n@hookimpl\ndef bench_methods():\n    return [Mine]\n"])
def test_a_method_in_a_file_becomes_a_package(hook, tmp_path):
    (tmp_path / "mine.py").write_text(MINE + hook)
    made = new("method", "mine-own", tmp_path, PLUGINS, str(tmp_path / "mine.py"))
    text = (made.folder / "mine_own/method.py").read_text()
    assert text.startswith(MINE.rstrip()) and text.count("def bench_methods") == 1 and text.count("return [Mine]") == 1
    assert "import Mine" in (made.folder / "tests/test_method.py").read_text()


def test_sources_that_do_not_fit(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "two.py").write_text(MINE + MINE.partition("\n")[2].replace("Mine", "Other"))
    for kind, name, source, said in [
            ("method", "other-name", "mine.py", "is called 'mine-own'"), ("method", "mine-own", "two.py", "2 methods: Mine, Other"),
            ("method", "mine-own", "none.py", "there is no file"), ("method", "mine-own", "timm:resnet10t", "cannot be made from"),
            ("model", "my-net", "somewhere:resnet18", "cannot be made from"), ("model", "my-net", "torchvision:resnet19", "no model 'resnet19'"),
            ("dataset", "my-images", "mine.py", "made from nothing")]:
        with pytest.raises(BenchError) as caught:
            new(kind, name, tmp_path, PLUGINS, str(tmp_path / source) if source.endswith(".py") else source)
        assert said in str(caught.value), source
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.py", "two.py"]
