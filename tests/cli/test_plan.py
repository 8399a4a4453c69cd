from __future__ import annotations

import json

import pytest

from .conftest import QUICK, bench, tree


def test_a_plan_counts_and_trains_nothing(ran, tmp_path):
    """Three methods, two seeds: a base each seed, a fine-tuning each cell, and scratch runs that all three share."""
    args = ("plan", "-m", "l1-norm", "-m", "random", "-m", "uniform", *QUICK, "--seeds", "2-3", "--store", str(tmp_path / "s"))
    said = bench(*args)
    assert (said.code, said.err) == (0, "") and said.out.splitlines()[0] == "6 cells"
    rows = [line.split() for line in said.out.splitlines()[1:5]]
    assert rows == [["asked", "distinct", "cached", "to", "run"], ["trainings", "24", "12", "0", "12"], ["prunings", "6", "6", "0", "6"],
                    ["measurements", "36", "24", "0", "24"]]
    assert "6 trainings shared by several cells or protocols" in said.out
    assert "time: unknown" in said.out and "disk: unknown" in said.out and "free" in said.out
    document = json.loads(bench(*args, "--json").out)
    assert document["stages"]["train"] == {"asked": 24, "distinct": 12, "cached": 0, "to_run": 12} and document["shared"] == 6
    assert document["forecast"]["seconds"] is None and document["at_most"] is False
    assert not [path for path in tree(tmp_path / "s") if path.endswith("safetensors")]


def test_a_forecast_from_what_has_run(ran):
    """Half of the seeds have run: the other half takes what they took, by multiply-adds."""
    args = ("plan", *ran.args, "--seeds", "0-3", *ran.folders)
    ahead = json.loads(bench(*args, "--json").out)
    assert ahead["stages"]["train"]["cached"] >= 8 and ahead["forecast"]["seconds"] > 0 and ahead["forecast"]["bytes"] > 10_000
    text = bench(*args).out
    assert "time: about " in text and "disk: about " in text


def test_all_done_is_said(ran):
    assert "everything is in the store: nothing to run" in bench("plan", *ran.args, *ran.folders).out


def test_what_is_refused_is_told_with_its_reason(ran):
    said = bench("plan", "-m", "l1-norm", *QUICK, "--model", "resnet-digits", "--budget", "macs=0.99", "--seeds", "0", *ran.folders)
    assert said.code == 0 and "refused: l1-norm macs=0.99 resnet-digits synthetic seed 0: " in said.out


def test_the_part_that_fits_in_a_time(ran):
    """Two seeds have run, two are left: without time those two are left out, with hours nothing is."""
    args = ("plan", *ran.args, "--seeds", "0-3", *ran.folders)
    said = bench(*args, "--budget-time", "0.001s")
    assert said.code == 0 and said.out.splitlines()[:2] == ["2 of 4 cells in about 0.0 s; left out: l1-norm 0.5 vgg-digits synthetic seeds 2, 3", "2 cells"]
    document = json.loads(bench(*args, "--budget-time", "2h", "--json").out)
    assert document["part"]["cells"] == document["part"]["of"] == 4 and document["part"]["left_out"] == [] and document["cells"] == 4
    assert document["part"]["seconds"] == pytest.approx(document["forecast"]["seconds"], abs=0.01) and document["forecast"]["within"] > 0
    assert json.loads(bench(*args, "--json").out)["part"] is None


def test_a_part_of_what_nothing_is_known_of(tmp_path):
    said = bench("plan", "-m", "l1-norm", *QUICK, "--budget-time", "1m")
    assert said.code == 2 and "nothing like this suite has run on this device" in said.err and "run one cell first" in said.err


def test_a_time_that_is_none_and_a_script_of_a_part(ran, tmp_path):
    said = bench("plan", *ran.args, *ran.folders, "--budget-time", "soon")
    assert said.code == 2 and "--budget-time 'soon' is not a time" in said.err
    said = bench("plan", *ran.args, *ran.folders, "--budget-time", "1h", "--sbatch", str(tmp_path / "x.sh"))
    assert said.code == 2 and "leave --budget-time out" in said.err and not (tmp_path / "x.sh").exists()
