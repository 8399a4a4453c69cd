from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchbase.board.verify import verify
from benchbase.values.record import key_of

from .conftest import DATA, bench


@pytest.fixture
def record(ran, here) -> Path:
    """The record of finetune with seed 0, on a board of its own."""
    shutil.copytree(ran.root / "kept" / "board", "board")
    told = {p: json.loads(p.read_text()) for p in sorted(Path("board").rglob("*.json"))}
    return next(p for p, data in told.items() if (data["protocol"], data["seed"]) == ("finetune", 0))


def change(path: Path, **changes) -> Path:
    data = json.loads(path.read_text())
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        data[outer] = {**data[outer], inner: value} if inner else value
    path.write_text(json.dumps(data))
    return path


def test_the_same_bits_on_the_same_machine(record):
    said = bench("reproduce", str(record), "--dataset", DATA, "-q")
    assert said.code == 0 and said.out.startswith("PASS\n") and "bit for bit" in said.out and "version of" not in said.out
    (new,) = Path("reproduction").rglob("*.json")
    assert new.name == record.name and json.loads(new.read_text())["digests"] == json.loads(record.read_text())["digests"]
    assert not list(Path("..").glob("store-again/*"))


def test_kept_beside_its_record_it_reproduces_it(record):
    change(record, versions__torch="2.0.0")
    said = bench("reproduce", str(record), "--dataset", DATA, "-q", "--keep", "--json")
    document = json.loads(said.out)
    assert said.code == 0 and document["result"] == "PASS" and document["top1"]["exact"] is False and document["top1"]["tolerance"] > 0
    assert [(e["what"], e["record"]) for e in document["environment"]] == [("version of torch", "2.0.0")]
    assert document["record"] == str(record.with_name(f"{record.stem}.1.json")) and not Path("reproduction").exists()
    report = verify("board", tables=False)
    assert report.wrong == () and report.reproductions == 1
    index = bench("leaderboard", "build", "board")
    assert index.code == 0
    tiers = {line["key"]: line["tier"] for line in json.loads(Path("board/v1/index.json").read_text())["records"]}
    assert tiers[record.stem] == "reproduced" and set(tiers.values()) == {"reproduced", "re-scored"}


def test_drift_exits_1_and_says_by_how_much(record):
    other = "f" * 64
    change(record, digests__final=other)
    said = bench("reproduce", str(record), "--dataset", DATA, "-q")
    assert said.code == 1 and said.out.startswith("DRIFT\n") and "final" in said.out.splitlines()[1]


def test_other_data_are_refused_before_anything_runs(record):
    said = bench("reproduce", str(record), "--dataset", "synthetic[train=64,test=48]", "-q")
    assert said.code == 2 and "not the data of the record" in said.lines[0] and "--dataset" in said.lines[1]
    assert not Path("reproduction").exists()


def test_another_version_of_the_method_is_named(record):
    data = json.loads(record.read_text())
    change(record, method={**data["method"], "version": 7})
    refused = bench("reproduce", str(record), "--dataset", DATA, "-q")
    assert refused.code == 2 and "key is not the digest" in refused.lines[0]
    change(record, key=key_of(**json.loads(record.read_text())))
    said = bench("reproduce", str(record), "--dataset", DATA, "-q")
    assert said.code == 2 and "version 1 here, 7 there" in said.lines[0] and "benchbase" in said.lines[1]


@pytest.mark.parametrize("changes", [{"method__name": "./evil.py:Evil"}, {"method__distribution": None},
                                     {"budget": {"ratio": 0.5, "like": "./evil.py:E"}}])
def test_no_record_says_which_file_to_run(record, changes):
    Path("evil.py").write_text("open('ran', 'w')\n")
    change(record, **changes)
    change(record, key=key_of(**json.loads(record.read_text())))
    said = bench("reproduce", str(record), "--dataset", DATA, "-q")
    assert said.code == 2 and "--method" in said.lines[1] and not Path("ran").exists()


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_what_is_no_record(here, text):
    Path("r.json").write_text(text)
    said = bench("reproduce", "r.json")
    assert (said.code, len(said.lines)) == (2, 2) and "r.json" in said.lines[0]
    assert bench("reproduce", "nowhere.json").code == 2
