from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchbase.errors import BenchError
from benchbase.flow.latency import Subject, by_budget, distinct, in_path, timed
from benchbase.flow.tools import Tools
from benchbase.nets.folder import write_folder
from benchbase.nets.prune import prune
from benchbase.plugin.manager import load_plugins
from benchbase.training import latency as timing
from benchbase.training.machine import Machine
from benchbase.values.architecture import Architecture
from benchbase.values.budget import parse_budget
from benchbase.values.latency import Latency

DENSE = Architecture("vgg-digits", 10, (1, 8, 8))
SMALL = replace(DENSE, shapes={"features.0.weight": (8, 1, 3, 3)})


@pytest.fixture(scope="module")
def tools() -> Tools:
    return Tools(load_plugins(), Machine(), Path("no-data"))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(timing, "WARM_SECONDS", 0.0)
    monkeypatch.setattr(timing, "SAMPLE", 1e-4)


def subject(tools: Tools, text: str, method: str = "l1-norm") -> Subject:
    return by_budget(tools, tools.plugins.method(method).value, parse_budget(text), DENSE, "digits")


def test_a_budget_says_the_widths_before_any_training(tools):
    """Widths 32, 32, 64, 64, 64, 64: floor(w 0.63) is 20 and 40, in multiples of 16 they are 16 and 48."""
    plain, rounded = subject(tools, "0.37"), subject(tools, "0.37[round_to=16]")
    assert list(plain.architecture.widths.values()) == [20, 20, 40, 40, 40, 40]
    assert list(rounded.architecture.widths.values()) == [16, 16, 48, 48, 48, 48]
    assert rounded.name == "l1-norm 0.37[round_to=16], vgg-digits on digits" and rounded.dense == DENSE


def test_its_folder_has_the_same_architecture(tools, tmp_path):
    method = tools.plugins.method("l1-norm").value
    pruned = prune(tools.open(DENSE), method, parse_budget("0.37[round_to=16]"), example=torch.randn(2, 1, 8, 8))
    write_folder(replace(pruned, architecture=replace(pruned.architecture, model="vgg-digits")), tmp_path / "net")
    [found] = in_path(tmp_path / "net")
    assert found.name == "net" and found.architecture == subject(tools, "0.37[round_to=16]").architecture


@pytest.mark.parametrize(("method", "text", "words"), [("network-slimming", "0.5", "only once it has chosen"), ("l1-norm", "0.99", "leaves nothing of")])
def test_what_no_budget_says(tools, method, text, words):
    with pytest.raises(BenchError, match=words):
        subject(tools, text, method)


def test_each_architecture_once_and_nothing_that_is_as_large_as_the_dense_one(tmp_path):
    masked = replace(SMALL, masks="ab" * 32)
    found = distinct([Subject("dense", DENSE), Subject("one", SMALL), Subject("mask", replace(DENSE, masks="ab" * 32)), Subject("both", masked)])
    assert found == [Subject("one", SMALL, 2)]
    with pytest.raises(BenchError, match="smaller than its dense one"):
        distinct([Subject("dense", DENSE)])
    with pytest.raises(BenchError, match="no records"):
        list(in_path(tmp_path / "nowhere"))


def test_modes_and_batches_in_turn(tools):
    one = subject(tools, "0.75")
    found = list(timed(one, tools, [1, 16], ["eager"], 3))
    assert [(x.batch, x.mode, len(x.dense)) for x in found if isinstance(x, Latency)] == [(1, "eager", 3), (16, "eager", 3)]


def test_a_mode_that_does_not_work_is_said_once_and_costs_no_other(tools, monkeypatch):
    def latency(dense, pruned, shape, machine, batch, mode, pairs):
        if mode == "compiled":
            raise BenchError("no compiler", "install one", timing.NOT_COMPILED)
        return Latency(batch, mode, (1.0,) * pairs, (1.0,) * pairs)
    monkeypatch.setattr(timing, "latency", latency)
    found = list(timed(subject(tools, "0.5"), tools, [1, 64], ["compiled", "eager"], 3))
    assert [getattr(x, "what", "") for x in found] == ["no compiler", "", ""]


def test_memory_that_does_not_suffice_is_no_traceback(tools, monkeypatch):
    def latency(*given):
        raise torch.OutOfMemoryError("too much")
    monkeypatch.setattr(timing, "latency", latency)
    with pytest.raises(BenchError, match="out of memory: l1-norm 0.5"):
        list(timed(subject(tools, "0.5"), tools, [64], ["eager"], 3))
