from __future__ import annotations

from pathlib import Path

import pytest

from benchbase.cli.options import assigned, limits_from, parse_size, settings_from, suite_from, suite_path
from benchbase.errors import BenchError
from benchbase.flow.limits import Limits
from benchbase.plugin.manager import load_plugins
from benchbase.values.spec import Suite

NOTHING = {"methods": (), "models": (), "datasets": (), "budgets": (), "protocols": (), "seeds": None, "epochs": None, "finetune_epochs": None,
           "assignments": ()}


@pytest.fixture(scope="module")
def plugins():
    return load_plugins()


def test_a_method_alone_is_the_default_suite(plugins):
    """Digits, vgg-digits, half, three seeds, four protocols: 12 records."""
    suite = suite_from(None, plugins, {**NOTHING, "methods": ("thinet",)})
    assert suite == Suite(("thinet",), ("vgg-digits",), ("digits",), ("0.5",), ("one-shot", "finetune", "scratch-e", "scratch-b"), (0, 1, 2))


def test_flags_stand_over_the_file(plugins, here):
    Path("mine.yaml").write_text("methods: [random, l1-norm]\nseeds: 0-4\nbudgets: [0.3]\nrecipe: {epochs: 9, lr: 0.2}\n")
    given = {**NOTHING, "methods": ("thinet",), "seeds": "7", "epochs": 3, "assignments": ("recipe.momentum=0.5", "finetune.lr=1e-3")}
    suite = suite_from("mine.yaml", plugins, given)
    assert (suite.methods, suite.seeds, suite.budgets, suite.name) == (("thinet",), (7,), ("0.3",), "mine")
    assert suite.recipe == {"epochs": 3, "lr": 0.2, "momentum": "0.5"} and suite.finetune == {"lr": "1e-3"}
    assert suite_from("mine.yaml", plugins, NOTHING).methods == ("random", "l1-norm")


def test_flags_stand_over_every_part_of_a_file(plugins, here):
    Path("mine.yaml").write_text("recipe: {lr: 0.2}\nparts:\n  - {methods: [random], recipe: {epochs: 9}}\n  - {methods: [thinet], budgets: [0.3]}\n")
    suite = suite_from("mine.yaml", plugins, {**NOTHING, "seeds": "7", "epochs": 3})
    assert [(part.methods, part.budgets, part.seeds, part.recipe) for part in suite.products] == [
        (("random",), ("0.5",), (7,), {"lr": 0.2, "epochs": 3}), (("thinet",), ("0.3",), (7,), {"lr": 0.2, "epochs": 3})]


def test_suites_of_plugins_have_names(here, package, tmp_path):
    (tmp_path / "quick.yaml").write_text("# One method.\nmethods: [random]\n")
    package("suites", "from pathlib import Path\nfrom benchbase import hookimpl\n@hookimpl\ndef bench_suites():\n"
                      f"    return [Path({str(tmp_path / 'quick.yaml')!r})]\n")
    found = load_plugins()
    assert suite_path("quick", found) == tmp_path / "quick.yaml" and suite_from("quick", found, NOTHING).methods == ("random",)
    with pytest.raises(BenchError, match="(?s)unknown suite 'quik'.*did you mean 'quick'"):
        suite_path("quik", found)
    Path("quick").write_text("methods: [l1-norm]")
    assert suite_path("quick", found) == Path("quick")


@pytest.mark.parametrize("wrong", ["-m thinett", "-m thinet --protocol finetuned", "-m thinet --budget vgg16-z", "-m thinet --dataset digit"])
def test_a_name_that_nobody_offers_is_said_before_torch_is_imported(python, wrong):
    done = python("-c", f"import sys; from benchbase.cli import main; code = main({['run', *wrong.split()]}); sys.exit(code + 100 * ('torch' in sys.modules))")
    assert done.returncode == 2 and "unknown" in done.stderr


def test_names_in_the_parts_of_a_file_are_looked_at_too(plugins, here):
    (here / "s.yaml").write_text("methods: [l1-norm]\nparts:\n  - {models: [vgg-digits]}\n  - {protocols: [finetuned]}\n")
    with pytest.raises(BenchError, match="unknown protocol 'finetuned'"):
        suite_from("s.yaml", plugins, NOTHING)


def test_a_method_taken_for_a_suite(plugins, here):
    with pytest.raises(BenchError, match="did you mean --method thinet"):
        suite_path("thinet", plugins)


@pytest.mark.parametrize("given, match", [
    ({"assignments": ("lr=1",)}, "--set 'lr=1' sets nothing"), ({"assignments": ("recipe.lr",)}, "sets nothing"),
    ({"assignments": ("base.lr=1",)}, "sets nothing"), ({"assignments": ("recipe.lr=1", "recipe.lr=1")}, "recipe.lr is given twice"),
    ({"assignments": ("finetune.epochs=1",), "finetune_epochs": 1}, "finetune.epochs is given twice")])
def test_settings_that_set_nothing(given, match):
    with pytest.raises(BenchError, match=match):
        assigned({**NOTHING, **given})


def test_zero_epochs_are_said(plugins):
    assert assigned({**NOTHING, "epochs": 0}) == ({"epochs": 0}, {})


def test_folders_and_machine(monkeypatch):
    monkeypatch.setenv("BENCH_STORE", "/s")
    monkeypatch.setenv("BENCH_DATA", "/d")
    assert settings_from({}).store == Path("/s") and settings_from({}).leaderboard == Path("leaderboard") and settings_from({}).threads == 1
    made = settings_from({"store": "x", "data": "y", "leaderboard": "z", "device": "cpu", "precision": "bf16", "threads": 2, "jobs": 3,
                          "executor": None,
                          "rerun": "failed"})
    assert (made.store, made.data, made.leaderboard) == (Path("x"), Path("y"), Path("z"))
    assert (made.device, made.precision, made.threads, made.jobs, made.executor, made.rerun) == ("cpu", "bf16", 2, 3, "", "failed")


@pytest.mark.parametrize("text, size", [("4G", 4 << 30), ("500M", 500 << 20), ("1.5g", 3 << 29), ("2GB", 2 << 30), ("2GiB", 2 << 30), ("64k", 65536)])
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4", "G", "-1G", "0G", "4 G", "1e3M", "infG", "4X"])
def test_sizes_that_are_none(text):
    with pytest.raises(BenchError, match="is no size"):
        parse_size(text)


def test_limits_of_a_stage():
    assert limits_from("1h", "2G") == Limits(3600.0, 2 << 30) and limits_from(None, "2G") == Limits(0.0, 2 << 30)
