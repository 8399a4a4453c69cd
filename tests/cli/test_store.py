from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from .conftest import bench, tree


@pytest.fixture
def store(ran, tmp_path):
    """The store of a run of eight records, and its board as ./leaderboard."""
    shutil.copytree(ran.root / "kept" / "board", "leaderboard")
    shutil.copytree(ran.root / "kept" / "store", tmp_path / "store")
    return tmp_path / "store"


def test_ls_tells_sizes_and_what_refers_to_what(store):
    said = bench("store", "ls")
    assert (said.code, said.err) == (0, "") and said.out.startswith(f"{store}: ") and "made from it" in said.out
    document = json.loads(bench("store", "ls", "--json").out)
    stages = document["stages"]
    assert document["bytes"] == sum(s["bytes"] for s in stages) == sum(p.stat().st_size for p in store.glob("??/*/*"))
    bases = [s for s in stages if s["kind"] == "train" and not s["needs"] and s["made_from_it"] > 1]
    assert bases and all(s["records"] >= 4 for s in bases)  # of each seed: four records stand on its base
    assert {s["state"] for s in stages} == {"done"} and {"train", "prune", "measure"} <= {s["kind"] for s in stages}


def test_gc_takes_only_what_no_record_stands_on(store, ran):
    before = tree(store)
    assert bench("store", "gc").out == "removed 0 folders, 0 B\n" and bench("store", "gc", "--unpublished", "--dry-run").code == 0
    assert {k: v for k, v in tree(store).items() if not k.startswith("locks")} == {k: v for k, v in before.items() if not k.startswith("locks")}
    shutil.rmtree(next(Path("leaderboard").rglob("l1-norm")))
    (Path("leaderboard/v1/records")).mkdir(exist_ok=True, parents=True)
    dry = json.loads(bench("store", "gc", "-u", "--dry-run", "--json").out)
    said = json.loads(bench("store", "gc", "-u", "--json").out)
    assert said["removed"] and [s["key"] for s in dry["removed"]] == [s["key"] for s in said["removed"]] and said["in_use"] == []
    assert {s["kind"] for s in json.loads(bench("store", "ls", "--json").out)["stages"]} <= {"resolve"}  # what budgets come to, made from nothing


def test_the_same_run_after_gc_comes_from_the_store(store, ran):
    assert json.loads(bench("store", "gc", "-u", "--json").out)["removed"] == []
    again = json.loads(bench("run", *ran.args, "--json").out)
    assert (again["trained"], again["exit"]) == (0, 0)


def test_verify_sets_damage_aside_and_gc_removes_it(store):
    assert bench("store", "verify").code == 0
    weights = max(store.glob("??/*/weights.safetensors"), key=lambda p: p.stat().st_size)
    raw = bytearray(weights.read_bytes())
    raw[-3] ^= 64
    weights.write_bytes(raw)
    dry = bench("store", "verify", "--dry-run")
    assert dry.code == 1 and "not what was written" in dry.out and weights.exists()
    said = json.loads(bench("store", "verify", "--json").out)
    assert [s["key"] for s in said["damaged"]] == [s["key"] for s in said["set_aside"]] == [weights.parent.name] and not weights.exists()
    assert bench("store", "verify").code == 0 and len(json.loads(bench("store", "gc", "--json").out)["removed"]) == 1


def test_a_running_process_is_not_disturbed(store):
    from benchbase.flow.store import Store

    key = next(store.glob("??/*/stage.json")).parent.name
    with Store(store).lock(key):
        said = bench("store", "gc", "--unpublished")
        assert (said.code, said.out, said.lines[0]) == (2, "", "error: a run is using this store")
        (store / key[:2] / f".{key}-0123456789ab").mkdir()
        assert "stay: a running process holds them" in bench("store", "gc").out and (store / key[:2] / f".{key}-0123456789ab").exists()
    assert bench("store", "gc").out.endswith("removed 1 folder, 0 B\n")


@pytest.mark.parametrize(("words", "what"), [
    (("ls", "--store", "nowhere"), "there is no store"), (("gc", "--older-than", "soon"), "is no time"), (("gc", "--older-than", "-1d"), "is no time"),
    (("gc", "-u"), "no records say what is in use"), (("ls", "--leaderboard", "nowhere"), "nowhere"), (("gc", "-u", "--leaderboard", "x"), "x"),
    (("sl",), "sl"), (("gc", "--al"), "--al")])
def test_wrong_commands(here, words, what):
    said = bench("store", *words)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and what in said.lines[0] and list(here.iterdir()) == []


def test_an_empty_store_and_age(here, tmp_path):
    assert bench("store", "ls").code == bench("store", "gc").code == bench("store", "verify").code == 0 and not (tmp_path / "store").exists()
    folder = tmp_path / "store" / "checkpoints" / ("ab" * 32)
    folder.mkdir(parents=True)
    assert bench("store", "gc", "--older-than", "1d").out == "removed 0 folders, 0 B\n" and folder.exists()
    os.utime(folder, (0, 0))
    assert "checkpoint" in bench("store", "gc", "--older-than", "1d").out and not folder.exists()
