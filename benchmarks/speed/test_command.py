"""Start-up of the command beside Python's own, and a plan as it grows to 10,000 cells: seconds, and the exponent of its growth."""
from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from growth import exponent

from benchbase.flow.run import plan_suite
from benchbase.flow.settings import Settings
from benchbase.values.spec import suite_of

VERBS = ("--help", "run --help", "list methods", "list models")


@pytest.mark.parametrize("verb", VERBS)
def test_start_up(verb, benchmark, seconds):
    """In units of a Python that imports click."""
    def call(*words: str) -> None:
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True, env=os.environ)
    ours = seconds(lambda: call(str(Path(sys.executable).parent / "bench"), *verb.split()), 7)
    python = seconds(lambda: call(sys.executable, "-c", "import click"), 7)
    benchmark.pedantic(lambda: None)
    benchmark.extra_info.update(seconds=round(ours, 3), ratio=round(ours / python, 2))
    print(verb, benchmark.extra_info)


def test_a_plan_grows_with_its_cells(tmp_path, benchmark):
    """Cells are of different seeds and budgets, so that they share nothing but the resolving of their budget, and bases."""
    settings, taken = Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu"), {}
    budgets = [f"0.{k}" for k in range(20, 30)]
    plan_suite(suite_of({"methods": ["l1-norm"], "budgets": budgets, "seeds": "0"}), settings)  # the one kind of stage that plans run
    for cells in (1000, 3000, 10_000):
        start = time.process_time()
        made = plan_suite(suite_of({"methods": ["l1-norm"], "budgets": budgets[:cells // 1000], "seeds": "0-999"}), settings)
        taken[cells] = time.process_time() - start
        assert made.cells == cells
    benchmark.pedantic(lambda: None)
    benchmark.extra_info.update({f"{cells:,} cells": round(value, 2) for cells, value in taken.items()}, exponent=round(exponent(taken), 2))
    print(benchmark.extra_info)
    assert exponent(taken) < 1.2
