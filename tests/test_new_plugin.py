"""`bench new` for real: packages made, installed by pip from their own metadata, checked and run as they are."""
from __future__ import annotations

import json
import subprocess
import sys

import pytest

KINDS = {"method": "my-idea", "model": "my-net", "dataset": "my-stripes", "protocol": "my-half"}
MINE = """from benchbase import Method, Selection

class Mine(Method):
    '''Keeps the last channels.'''
    name, paper = "mine-own", "unpublished"

    def select(self, net, data, budget):
        return Selection({g.name: tuple(range(g.width - budget.keep(g), g.width)) for g in net.groups})
"""


@pytest.fixture(scope="module")
def made(forked, tmp_path_factory):
    """The folder with all of them, and the folder that they are installed into."""
    folder, site = tmp_path_factory.mktemp("new"), tmp_path_factory.mktemp("site")
    (folder / "mine.py").write_text(MINE)
    asked = [[kind, name] for kind, name in KINDS.items()]
    asked += [["model", "my-mobile", "--from", "timm:mobilenetv3_small_050"], ["method", "mine-own", "--from", "./mine.py"]]
    for words in asked:
        done = forked("new", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--target", str(site), *(str(folder / words[1]) for words in asked)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, site


def test_they_pass_their_checks_as_they_are(made, forked):
    folder, site = made
    done = forked("check", "--json", path=site, cwd=folder)
    plugins = {p["plugin"]: p["checks"] for p in json.loads(done.stdout)["plugins"]}
    assert set(plugins) == {*KINDS.values(), "my-mobile", "mine-own"}, done.stderr
    assert {c["result"] for checks in plugins.values() for c in checks} == {"good"} and done.returncode == 0, done.stdout


def test_each_check_is_a_test_of_pytest(made, python):
    folder, site = made
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "benchbase.conformance", "--plugin", "my-half", path=site, cwd=folder)
    assert done.returncode == 0 and "5 passed" in done.stdout, done.stdout + done.stderr


def test_their_own_tests_pass(made, python):
    folder, site = made
    tests = [str(file) for name in (*KINDS.values(), "my-mobile", "mine-own") for file in (folder / name / "tests").iterdir() if file.suffix == ".py"]
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests, path=site, cwd=folder)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout + done.stderr


def test_they_run(made, forked):
    folder, site = made
    words = ["-m", "my-idea", "-m", "mine-own", "--model", "my-net", "--dataset", "my-stripes", "--protocol", "my-half", "--seeds", "0", "--epochs", "2",
             "--device", "cpu"]
    places = [f"--store={folder / 'store'}", f"--leaderboard={folder / 'board'}", f"--data={folder / 'data'}"]
    done = forked("run", *words, *places, "--json", path=site, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(p.read_text()) for p in (folder / "board").rglob("records/**/*.json")]
    assert {(r["method"]["name"], r["model"], r["dataset"]["name"], r["protocol"]) for r in records} == {
        (m, "my-net", "my-stripes", "my-half") for m in ("my-idea", "mine-own")}
    assert {r["method"]["distribution"] for r in records} == {"bench-my-idea", "bench-mine-own"}
