from __future__ import annotations

import json
import shutil
from pathlib import Path

from .conftest import bench, tree


def findings(*args):
    said = bench("doctor", "--json", *args)
    found = json.loads(said.out)
    assert said.code == found["exit"]
    return said.code, found["findings"]


def test_all_is_well(here, monkeypatch):
    monkeypatch.delenv("KMP_BLOCKTIME", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    code, found = findings()
    assert code == 0 and {f["topic"] for f in found} == {"versions", "devices", "plugins", "store", "data", "leaderboard", "environment"}
    assert not [f for f in found if f["level"] == "error"] and "torch 2" in found[0]["what"]
    assert "methods" in next(f["what"] for f in found if f["topic"] == "plugins")
    said = bench("doctor")
    assert said.code == 0 and said.err == "" and said.out.startswith("ok      versions: Python 3")
    assert tree(here) == {}


def test_a_folder_that_is_a_file(here):
    Path("file").write_text("")
    code, found = findings("--store", "file/store", "--leaderboard", "file")
    wrong = {f["topic"]: f for f in found if f["level"] == "error"}
    assert code == 1 and set(wrong) == {"store", "leaderboard"}
    assert "is not a folder" in wrong["store"]["what"] and "--store" in wrong["store"]["todo"]


def test_plugins_that_are_broken_or_clash(package):
    package("broken", "import nothing_like_it\n")
    code, found = findings()
    (told,) = [f for f in found if f["level"] == "warning" and f["topic"] == "plugins"]
    assert code == 0 and "nothing_like_it" in told["what"] and "broken-plugins" in told["todo"]
    package("mine", "from benchbase import hookimpl\n\ndef vgg16(num_classes, in_channels=3):\n    '''Ours.'''\n\n"
                    "@hookimpl\ndef bench_models():\n    return [vgg16]\n")
    code, found = findings()
    (told,) = [f for f in found if f["level"] == "error"]
    assert code == 1 and "'vgg16'" in told["what"] and "mine-plugins" in told["what"]


def test_plugins_that_are_not_installed(monkeypatch):
    monkeypatch.setenv("BENCH_PLUGINS", "nowhere")
    code, found = findings()
    assert code == 1 and "nowhere" in next(f["what"] for f in found if f["level"] == "error")


def test_threads_that_spin(monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    code, found = findings()
    (told,) = [f for f in found if f["level"] == "warning" and f["topic"] == "environment"]
    assert code == 0 and "OMP_WAIT_POLICY=ACTIVE" in told["what"] and told["todo"] == "unset OMP_WAIT_POLICY"


def test_fix_makes_missing_folders_and_says_so(here):
    places = ("--store", "new/store", "--data", "new/data", "--leaderboard", "new/board")
    before = bench("doctor", *places)
    assert before.code == 0 and before.out.count("not there yet, can be made") == 3 and tree(here) == {}
    code, found = findings("--fix", *places)
    mended = {f["topic"]: f["mended"] for f in found if f["mended"]}
    assert code == 0 and mended == {"store": "the folder was made", "data": "the folder was made"} and set(tree(here)) == {"new", "new/data", "new/store"}
    assert not [f for f in findings("--fix", *places)[1] if f["mended"]]


def test_fix_removes_what_no_run_would_read_and_nothing_else(ran, here):
    shutil.copytree(ran.root / "kept" / "store", "store")
    sound = tree(Path("store"))
    stage = next(p for p in Path("store").glob("*/*/stage.json")).parent
    left = stage.with_name(f".{stage.name}-0123456789ab")
    shutil.copytree(stage, left)
    code, found = findings("--store", "store")
    (told,) = [f for f in found if f["topic"] == "store" and f["level"] == "warning"]
    assert code == 0 and told["what"].startswith("1 folder that no run would read") and told["mendable"] and told["mended"] is None and left.exists()
    said = bench("doctor", "--fix", "--store", "store")
    assert said.code == 0 and "mended: removed 1 folder, " in said.out
    assert {k: v for k, v in tree(Path("store")).items() if not k.startswith("locks")} == {k: v for k, v in sound.items() if not k.startswith("locks")}
    assert not [f for f in findings("--store", "store")[1] if f["topic"] == "store" and f["level"] == "warning"]


def test_what_cannot_be_mended_is_told_as_before(here):
    Path("file").write_text("")
    said = bench("doctor", "--fix", "--store", "file/store")
    assert said.code == 1 and "is not a folder" in said.out and "name another folder with --store" in said.out
