from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from benchbase.values.record import load_failures, load_records

from .conftest import DATA, QUICK, bench

METHODS = """
from dataclasses import dataclass
from benchbase import Method, Selection

@dataclass(frozen=True)
class First(Method):
    '''Keeps the first channels.'''
    name = "first"
    def select(self, net, data, budget):
        return Selection({g.name: range(budget.keep(g)) for g in net.groups})

@dataclass(frozen=True)
class Bad(Method):
    '''Fails.'''
    name = "bad"
    def select(self, net, data, budget):
        raise RuntimeError("no luck")
"""
PROTOCOLS = ("one-shot", "finetune", "scratch-e", "scratch-b")
LONG = ("-m", "random", "--dataset", DATA, "--epochs", "100000", "--seeds", "0-2", "--protocol", "one-shot", "-q")


def test_records_table_and_summary(ran):
    assert ran.said.code == 0
    records = load_records(ran.root / "board")
    assert sorted((r.protocol, r.seed) for r in records) == sorted((p, s) for p in PROTOCOLS for s in (0, 1))
    out = ran.said.out
    assert "synthetic · vgg-digits" in out and "l1-norm" in out and "n 2" in out and "finetune − scratch-b" in out
    assert out.splitlines()[-1].startswith(f"8 records in {ran.root}/board/v1/records; 8 trainings run, 0 from the store; ")


def test_a_line_for_each_stage_that_ran(ran):
    """One network traced, two bases; per seed one pruning, three trainings and five measurements, one-shot measured twice."""
    kinds = [line.split("] ")[1].split()[0] for line in ran.said.lines]
    assert {kind: kinds.count(kind) for kind in kinds} == {"resolve": 1, "train": 8, "prune": 2, "measure": 12}
    assert all(line.startswith("[") for line in ran.said.lines)


def test_the_same_again_trains_nothing_and_is_one_document(ran):
    said = bench("run", *ran.args, *ran.folders, "--json")
    document = json.loads(said.out)
    assert (said.code, said.err) == (0, "") and (document["trained"], document["cached"], document["exit"]) == (0, 8, 0)
    assert sorted(document["records"]) == sorted(str(p) for p in (ran.root / "board").rglob("*.json")) and document["failures"] == []
    (table,) = document["table"]
    assert table["rows"][0]["entries"]["finetune"]["n"] == 2 and document["seconds"] > 0 and (document["cells"], document["cells_done"]) == (2, 2)


def test_run_again_on_purpose(ran):
    said = bench("run", *ran.args, *ran.folders, "--seeds", "1", "--rerun", "all", "-q")
    assert said.code == 0 and "4 records" in said.out and "4 trainings run, 0 from the store" in said.out and said.err == ""
    assert len(load_records(ran.root / "board")) == 8


def test_more_of_the_same_takes_what_is_there(ran):
    said = bench("run", *ran.args, *ran.folders, "--seeds", "0", "--protocol", "finetune", "--protocol", "finetune-matched")
    assert said.code == 0 and "1 training run, 2 from the store" in said.out
    assert [line.split("] ")[1].split()[0] for line in said.lines] == ["train", "measure"]


def test_a_suite_file_with_flags_over_it(ran, here):
    Path("s.yaml").write_text(f"methods: [random]\ndatasets: ['{DATA}']\nseeds: 0-1\nprotocols: [finetune]\n"
                              "recipe: {epochs: 2, batch_size: 32}\nfinetune: {epochs: 1}\n")
    said = bench("run", "s.yaml", "-m", "l1-norm", "--device", "cpu", *ran.folders, "-q")
    assert said.code == 0 and "2 records" in said.out and "0 trainings run, 4 from the store" in said.out


def test_a_failed_cell_is_recorded_and_the_others_go_on(ran, here):
    Path("mine.py").write_text(METHODS)
    args = ("run", "-m", "./mine.py:Bad", "-m", "./mine.py:First", *QUICK, "--seeds", "0", "--protocol", "one-shot", *ran.folders[:2])
    said = bench(*args)
    assert said.code == 1 and "failed (method_error): bad 0.5 vgg-digits synthetic seed 0: bad: RuntimeError: no luck" in said.out
    assert said.lines[-2:] == ["cells failed; what is done stays done", "mend what is wrong and give the same command again, with --rerun failed"]
    (record,), (failure,) = load_records("leaderboard"), load_failures("leaderboard")
    assert record.method.name == "first" and len(record.method.source) == 64 and failure.kind == "method_error" and failure.method.name == "bad"
    assert str(here) not in failure.model_dump_json()
    document = json.loads(bench(*args, "--json").out)
    assert document["exit"] == 1 and document["failures"] == [{"cell": "bad 0.5 vgg-digits synthetic seed 0", "kind": "method_error",
                                                               "what": "bad: RuntimeError: no luck"}]


def test_what_is_not_applicable_is_no_failure(ran, here):
    said = bench("run", "-m", "l1-norm", *QUICK, "--model", "resnet-digits", "--budget", "macs=0.99", "--seeds", "0",
                 "--store", str(ran.root / "store"), "-q")
    assert said.code == 0 and "not applicable: l1-norm macs=0.99 resnet-digits synthetic seed 0: " in said.out and said.err == ""
    assert {f.kind for f in load_failures("leaderboard")} == {"not_applicable"}


def test_observers_of_plugins_hear_of_every_stage(ran, package, here):
    package("watcher", "from pathlib import Path\nfrom benchbase import hookimpl\n\n@hookimpl\ndef bench_stage_done(event):\n"
                       "    with Path('heard').open('a') as file:\n        print(event.kind, event.cached, file=file)\n"
                       "    raise OSError('no tracker')\n")
    said = bench("run", *ran.args, *ran.folders, "--protocol", "one-shot", "-q")
    assert (said.code, said.err) == (0, "warning: plugin watcher (watcher-plugins) could not follow the run: OSError: no tracker\n")
    heard = Path("heard").read_text().splitlines()
    assert {kind: heard.count(f"{kind} True") for kind in ("resolve", "train", "prune", "measure")} \
        == {"resolve": 4, "train": 2, "prune": 2, "measure": 6}
    assert len(heard) == 14


def test_a_dry_run_is_the_plan(ran):
    said = bench("run", *ran.args, *ran.folders, "--dry-run", "--json")
    assert json.loads(said.out)["stages"]["train"] == {"asked": 8, "distinct": 8, "cached": 8, "to_run": 0}
    plan = json.loads(bench("plan", *ran.args, *ran.folders, "--json").out)
    assert {**json.loads(said.out), "forecast": None} == {**plan, "forecast": None}


@pytest.mark.parametrize("why, start", [("time limit", None), ("SIGTERM", signal.SIGTERM), ("Ctrl-C", signal.SIGINT)])
def test_an_interrupted_run_says_how_to_go_on(ran, why, start):
    """The base would train for hours. What was begun leaves nothing behind, and the leaderboard holds whole records or none."""
    args = ("run", *LONG, "--device", "cpu", "--store", str(ran.root / f"store-{why[:4]}"))
    if start is None:
        said = bench(*args, "--time-limit", "3s")
    else:
        timer = threading.Timer(3, lambda: os.kill(os.getpid(), start))
        timer.start()
        said = bench(*args)
    assert said.code == 130 and said.lines == [f"interrupted ({why}): 0 of 3 cells done", "the same command goes on from there"]
    assert said.out.startswith("0 records in ") and not Path("leaderboard").exists()
    time.sleep(0.1)
    assert not [p for p in (ran.root / f"store-{why[:4]}").rglob(".*")]


def test_interrupted_between_two_rows(ran):
    """The rows that were done before are recorded and told."""
    class Later(threading.Timer):
        def run(self):
            while not list(Path("leaderboard").rglob("*.json")):
                time.sleep(0.02)
            os.kill(os.getpid(), signal.SIGTERM)

    Later(0, lambda: None).start()
    said = bench("run", *ran.args, "--seeds", "0", "--protocol", "one-shot", "--protocol", "scratch-e", "--protocol", "unpruned-long",
                 "--epochs", "2", "--store", str(ran.root / "store"), "--set", "recipe.weight_decay=0.001", "--json")
    document = json.loads(said.out)
    assert (said.code, document["exit"], document["stopped"], document["cells_done"]) == (130, 130, "SIGTERM", 0) and len(document["records"]) >= 1
    assert [str(r) for r in sorted(Path("leaderboard").rglob("*.json"))] == sorted(document["records"])


def test_workers_tell_what_they_do(here):
    """Two processes: the stages of both are told here as they end, and everything is recorded once."""
    said = bench("run", "-m", "random", *QUICK, "--seeds", "0-1", "--protocol", "one-shot", "--jobs", "2")
    assert said.code == 0 and "2 records" in said.out and "2 trainings run, 0 from the store" in said.out
    kinds = [line.split("] ")[1].split()[0] for line in said.lines]
    assert {kind: kinds.count(kind) for kind in kinds} == {"resolve": 1, "train": 2, "prune": 2, "measure": 6}


def test_a_run_says_how_far_its_forecast_was_off(ran, tmp_path):
    """Another seed, after two: what was foreseen, what it took, and by how much that differs. Nothing of it where nothing was known, or run."""
    assert "forecast" not in ran.said.out and "forecast" not in bench("run", *ran.args, *ran.folders, "-q").out
    args = ("run", *ran.args, "--seeds", "7", "--store", str(ran.root / "store"))
    document = json.loads(bench(*args, "--json").out)
    told = document["forecast"]
    assert told["error"] == pytest.approx(told["seconds"] / told["took"] - 1, abs=0.01) and 0 < told["took"] < document["seconds"]
    line = bench(*args, "--seeds", "8", "-q").out.splitlines()[-1]
    assert re.fullmatch(r"4 records in .*; 4 trainings run, 0 from the store; \S+ s; forecast \S+ s, took \S+ s \([+-]\d+ %\)", line)
    again = json.loads(bench(*args, "--json").out)
    assert again["forecast"] is None and again["part"] is None


def test_what_fits_in_a_time_is_run_and_the_rest_told(ran, tmp_path):
    args = ("run", *ran.args, "--seeds", "0-1,20", "--store", str(ran.root / "store"), "--budget-time", "0.001s")
    said = bench(*args)
    told = "2 of 3 cells in about 0.0 s; left out: l1-norm 0.5 vgg-digits synthetic seed 20"
    assert said.code == 0 and said.lines[0] == told == said.out.splitlines()[-2] and "8 records" in said.out and "0 trainings run" in said.out
    document = json.loads(bench(*args, "--json").out)
    assert document["part"] == {"cells": 2, "of": 3, "seconds": 0.0, "left_out": [{"row": "l1-norm 0.5 vgg-digits synthetic", "seeds": [20]}]}
    assert bench(*args, "--dry-run").out.splitlines()[0] == told
    refused = bench(*args, "--stage", "abc")
    assert refused.code == 2 and "--budget-time" in refused.err and "leave one of them out" in refused.err
