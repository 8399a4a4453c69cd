from __future__ import annotations

import json
import os

import pytest

from benchbase.training import latency as timing

from .conftest import bench

CELL = ("-m", "l1-norm", "--model", "vgg-digits", "--dataset", "digits", "--budget", "0.75")
QUICK = ("--mode", "eager", "--pairs", "3", "--device", "cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No long warm-up, and a machine at rest."""
    monkeypatch.setattr(timing, "WARM_SECONDS", 0.0)
    monkeypatch.setattr(timing, "SAMPLE", 1e-4)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))


def test_a_budget_timed():
    said = bench("latency", *CELL, *QUICK)
    head, empty, name, columns, *rows = said.out.splitlines()
    assert said.code == 0 and "fp32, 1 thread" in head and name == "l1-norm 0.75, vgg-digits on digits"
    assert [row.split()[:2] for row in rows] == [["eager", "1"], ["eager", "64"]] and all("[" in row and row.endswith("3") for row in rows)
    assert len(said.lines) == 2 and all("l1-norm 0.75" in line for line in said.lines)


def test_as_json():
    said = bench("latency", *CELL, *QUICK, "--batch", "8", "--json", "-q")
    made = json.loads(said.out)
    assert (said.code, said.err, made["skipped"], made["load"], made["threads"]) == (0, "", "", 0.1, 1)
    [network] = made["networks"]
    [one] = network["latency"]
    assert one["batch"] == 8 and one["ratio"]["low"] <= one["ratio"]["median"] <= one["ratio"]["high"]
    assert set(network["architecture"]["widths"].values()) == {8, 16}


def test_records_each_architecture_once(ran):
    board = ran.root / "kept" / "board"
    said = bench("latency", str(board), *QUICK, "--batch", "1", "--json")
    made = json.loads(said.out)
    architectures = [json.loads(p.read_text())["architecture"] for p in board.rglob("records/**/*.json") if "failed" not in p.parts]
    smaller = [json.dumps(a["shapes"]) for a in architectures if a["shapes"] and not a["masks"]]
    assert said.code == 0 and sum(n["alike"] for n in made["networks"]) == len(smaller) and len(made["networks"]) == len({*smaller})


def test_other_work_is_said(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (3.25, 0.1, 0.1))
    said = bench("latency", *CELL, *QUICK, "--batch", "1", "-q")
    assert said.code == 0 and "other work (load 3.2" in said.err


@pytest.mark.parametrize(("mode", "code"), [("both", 0), ("compiled", 2)])
def test_without_a_compiler(monkeypatch, mode, code):
    from benchbase.errors import BenchError

    real = timing.latency

    def latency(dense, pruned, shape, machine, batch, mode, pairs):
        if mode == "compiled":
            raise BenchError("torch.compile does not work here", "install one", timing.NOT_COMPILED)
        return real(dense, pruned, shape, machine, batch, mode, pairs)
    monkeypatch.setattr(timing, "latency", latency)
    said = bench("latency", *CELL, *QUICK, "--mode", mode)
    assert said.code == code and "torch.compile does not work here" in said.err and ("eager" in said.out) == (code == 0)


@pytest.mark.parametrize(("args", "words"), [
    ((), "nothing to time"), (CELL[:4], "nothing to time"), (("x.json", *CELL), "at once"), (("nowhere",), "no records"),
    ((*CELL[:-1], "0.99"), "leaves nothing"), ((*CELL[:-1], "0.5[round_to=0]"), "round_to = 0"), (("-m", "lamp", *CELL[2:]), "only once it has chosen"),
    ((*CELL, "--pairs", "2"), "--pairs"), ((*CELL, "--batch", "0"), "--batch"), ((*CELL, "--mode", "fast"), "--mode")])
def test_what_cannot_be_timed(args, words):
    said = bench("latency", *args)
    assert said.code == 2 and words in said.lines[0] and len(said.lines) == 2 and said.out == ""
