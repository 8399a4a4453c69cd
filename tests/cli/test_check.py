from __future__ import annotations

import json
from pathlib import Path

from .conftest import bench

MINE = """from benchbase import Method, Selection

class Mine(Method):
    '''Keeps the first channels.'''
    name = "mine"

    def select(self, net, data, budget):
        return Selection({g.name: range(budget.keep(g)) for g in net.groups})
"""


def test_findings_say_what_to_change_and_where_it_is_explained(here):
    (here / "mine.py").write_text(MINE)
    said = bench("check", "./mine.py:Mine", "-q")
    assert said.code == 1 and said.err == "" and "method mine: it names no paper\n  give paper = " in said.out
    assert "see plugins/README.md#metadata" in said.out and "1 finding" in said.out
    page = Path(said.out.splitlines()[-1].removeprefix("plugins/README.md is "))
    assert "\n### metadata\n" in page.read_text()
    (here / "mine.py").write_text(MINE.replace('name = "mine"', 'name, paper = "mine", "unpublished"'))
    said = bench("check", "./mine.py:Mine", "--json")
    (plugin,) = json.loads(said.out)["plugins"]
    assert said.code == 0 and {c["result"] for c in plugin["checks"]} == {"good"} and {"exact-budget", "no-test-data"} <= {c["check"] for c in plugin["checks"]}


def test_what_needs_data_is_not_checked_and_said():
    said = bench("check", "imagefolder")
    assert said.code == 0 and "data set imagefolder: not checked whole: imagefolder needs a folder" in said.out
    assert "unchecked data set imagefolder: tensors" in said.lines


def test_wrong_names():
    said = bench("check", "l1-nrom")
    assert said.code == 2 and "unknown plugin 'l1-nrom'" in said.err and "'l1-norm'" in said.err


def test_a_package_that_is_not_installed(here):
    said = bench("check", "not-like-any-other")
    assert said.code == 2 and said.lines[1].startswith("is its package installed? pip install -e FOLDER; ")
    (here / "mine").mkdir()
    (here / "mine" / "pyproject.toml").write_text("")
    said = bench("check", "mine")
    assert said.code == 2 and said.lines == ["error: plugin mine is not installed", "pip install -e ./mine"]
