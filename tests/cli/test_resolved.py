from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchbase.cli.options import suite_from
from benchbase.flow.cells import cells_of
from benchbase.flow.tools import Tools
from benchbase.plugin.manager import load_plugins
from benchbase.training.machine import Machine

from .conftest import bench, tree

SUITE = "extends: base.yaml\nbudgets: [0.3]\nrecipe: {lr: 0.2}\nparts:\n  - {methods: [thinet]}\n  - {methods: [random], finetune: {epochs: 4}}\n"
BASE = "datasets: [digits]\nrecipe: {epochs: 7, schedule: cosine}\n"


@pytest.fixture
def suite(here):
    Path("base.yaml").write_text(BASE)
    Path("mine.yaml").write_text(SUITE)
    return "mine.yaml"


def shown(*words: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Title -> name -> (value, source)."""
    said = bench("show", "--resolved", *words, "--json")
    assert (said.code, said.err) == (0, ""), said.err
    return {title: {s["name"]: (s["value"], s["source"]) for s in settings} for title, settings in json.loads(said.out).items()}


def test_a_flag_before_a_suite_before_a_data_set_before_a_default(suite):
    found = shown(suite, "--set", "recipe.lr=0.3", "--finetune-epochs", "2", "--seeds", "0-1")
    one, two = found["what, part 1: recipe on digits"], found["what, part 2: fine-tuning on digits"]
    assert one["lr"] == ("0.3", "flag --set recipe.lr") and one["epochs"] == ("7", "suite mine.yaml") and one["schedule"] == ("cosine", "suite mine.yaml")
    assert one["momentum"] == ("0.9", "data set digits") and two["epochs"] == ("2", "flag --finetune-epochs")
    assert two["batch_size"] == ("64", "as the base's") and found["what, part 1: fine-tuning on digits"]["epochs"][1] == "flag --finetune-epochs"
    assert found["what, part 1"]["methods"] == ("thinet", "suite mine.yaml") and found["what, part 2"]["methods"] == ("random", "suite mine.yaml")
    assert found["what, part 1"]["budgets"] == ("0.3", "suite mine.yaml") and found["what, part 1"]["seeds"] == ("0 1", "flag --seeds")
    assert found["what, part 1"]["models"] == ("vgg-digits", "default")
    assert shown(suite)["what, part 2: fine-tuning on digits"]["epochs"] == ("4", "suite mine.yaml")
    assert shown(suite)["what, part 1: fine-tuning on digits"]["epochs"][1] == "data set digits"


def test_folders_and_the_environment(here, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", "from-outside")
    where = shown("-m", "thinet", "--data", "mine")["where and how"]
    assert where["data"] == ("mine", "flag --data") and where["store"][1] == "environment BENCH_STORE"
    assert where["leaderboard"] == ("leaderboard", "default") and where["jobs"] == ("1", "default") and where["rerun"] == ("", "default")
    assert shown("-m", "thinet")["where and how"]["data"] == ("from-outside", "environment BENCH_DATA")
    monkeypatch.setenv("BENCH_PLUGINS", "benchbase")
    assert shown("-m", "thinet", "-q", "--jobs", "2")["where and how"]["plugins"] == ("benchbase", "environment BENCH_PLUGINS")


def test_it_says_what_a_run_takes(suite):
    words = {"methods": (), "models": (), "datasets": ("synthetic[train=64,test=32]",), "budgets": (), "protocols": (), "seeds": "3", "epochs": 5,
             "finetune_epochs": None, "assignments": ("finetune.lr=0.01",), "controls": False}
    plugins = load_plugins()
    cells = cells_of(suite_from(suite, plugins, words), plugins, Tools(plugins, Machine(), Path("data")))
    title = "recipe on synthetic[train=64,test=32]"
    found = shown(suite, "--dataset", words["datasets"][0], "--seeds", "3", "--epochs", "5", "--set", "finetune.lr=0.01")
    for number, cell in enumerate(cells, 1):
        said = found[f"what, part {number}: {title}"]
        assert {name: value for name, (value, _) in said.items()}["epochs"] == str(cell.work.recipe.epochs) == "5"
        assert float(said["lr"][0]) == cell.work.recipe.lr and said["schedule"][0] == cell.work.recipe.schedule
        assert float(found[f"what, part {number}: fine-tuning on {words['datasets'][0]}"]["lr"][0]) == cell.work.finetune.lr == 0.01


def test_for_people_and_without_anything_named(here):
    before = tree(Path())
    said = bench("show", "--resolved")
    assert said.code == 0 and "methods    not set" in said.out and "a flag goes before the environment" in said.out and tree(Path()) == before


@pytest.mark.parametrize("words", [("--resolved", "no-such-suite"), ("--resolved", "--epoch", "3"), ("--resolved", "--jobs", "many"), ("--foo",), (),
                                   ("thinet", "random"), ("--resolved", "-m", "thinet", "--set", "lr=1"), ("--resolved", "gone.yaml"),
                                   ("--resolved", "--dataset", "nothing-like-it")])
def test_bad_input_takes_two_lines(words, here):
    said = bench("show", *words)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2)
