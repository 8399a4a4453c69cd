from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchbase import BenchError
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.plugin.manager import load_plugins
from benchbase.values.escape import FORMULA
from benchbase.values.spec import Suite
from benchbase_plugins.trackers import csv_files

SUITE = Suite(methods=("l1-norm",), datasets=("synthetic[train=64,test=32]",), budgets=("0.5",), protocols=("one-shot", "scratch-e"), seeds=(0,),
              recipe={"epochs": 3, "batch_size": 32, "lr": 0.02})


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_epochs_and_results_of_a_run_and_nothing_of_it_in_any_key(tmp_path, monkeypatch):
    here, log = Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu"), tmp_path / "log"
    monkeypatch.setenv("BENCH_CSV", str(log))
    sweep = run_suite(SUITE, here, load_plugins())
    epochs, stages = read(log / "epochs.csv"), read(log / "stages.csv")
    labels = ["base of vgg-digits synthetic seed 0", "scratch-e: l1-norm 0.5 vgg-digits synthetic seed 0"]
    assert [(row["label"], row["epoch"], row["epochs"]) for row in epochs] == [(label, str(n), "3") for label in labels for n in (1, 2, 3)]
    assert [float(row["rate"]) for row in epochs[:3]] == pytest.approx([0.02, 0.002, 0.0002])  # x0.1 at 1/2 and at 3/4: of the last steps
    assert 0 < float(epochs[2]["loss"]) < float(epochs[0]["loss"])
    top1 = {json.loads(path.read_text())["protocol"]: json.loads(path.read_text())["metrics"]["top1"] for path in sweep.records}
    told = {row["label"]: row["top1"] for row in stages if row["kind"] == "measure"}
    assert float(told[labels[1]]) == top1["scratch-e"] and float(told["one-shot: l1-norm 0.5 vgg-digits synthetic seed 0"]) == top1["one-shot"]
    assert any(label.endswith("BN recomputed") for label in told) and {row["cached"] for row in stages} <= {"0", "1"}
    monkeypatch.delenv("BENCH_CSV")
    before = (log / "stages.csv").read_text()
    assert run_suite(SUITE, here, load_plugins()).trained == 0 and (log / "stages.csv").read_text() == before
    monkeypatch.setenv("BENCH_CSV", str(log))
    run_suite(SUITE, here, load_plugins())
    again = read(log / "stages.csv")[len(stages):]
    assert read(log / "epochs.csv") == epochs and {row["cached"] for row in again} == {"1"} and len(again) == len(stages)


def test_off_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_CSV", raising=False)
    csv_files.bench_sweep_begins(1)
    csv_files.bench_epoch_done(SimpleNamespace(label="a", key="k", epoch=1, epochs=1, loss=1.0, rate=0.1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sign", FORMULA)
def test_a_formula_is_text(sign, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CSV", str(tmp_path))
    csv_files.bench_sweep_begins(1)
    csv_files.bench_epoch_done(SimpleNamespace(label=f"\t{sign}1+A1\n,x", key="k", epoch=1, epochs=1, loss=-1.0, rate=0.1))
    assert read(tmp_path / "epochs.csv") == [{"label": f"'{sign}1+A1 ,x", "key": "k", "epoch": "1", "epochs": "1", "loss": "-1.0", "rate": "0.1"}]


def test_a_folder_that_cannot_be_written_ends_the_command(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_CSV", str(tmp_path / "file" / "log"))
    with pytest.raises(BenchError, match="cannot write there") as caught:
        run_suite(SUITE, Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu"), load_plugins())
    assert "unset BENCH_CSV" in caught.value.todo and not (tmp_path / "board").exists()
