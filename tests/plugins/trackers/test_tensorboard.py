from __future__ import annotations

import builtins
from pathlib import Path
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchbase import BenchError
from benchbase_plugins.trackers import tensorboard


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def epoch(n: int, loss: float) -> SimpleNamespace:
    return SimpleNamespace(label="finetune: a/../b 0.5", key="k" * 64, epoch=n, epochs=2, loss=loss, rate=0.1)


def stage(kind: str, key: str, **numbers: float) -> SimpleNamespace:
    return SimpleNamespace(kind=kind, label="finetune: a/../b 0.5", key=key, cached=False, seconds=1.0, numbers=numbers)


def test_a_run_a_training(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_TENSORBOARD", str(tmp_path / "runs"))
    tensorboard.bench_sweep_begins(1)
    for n, loss in ((1, 2.5), (2, 1.25)):
        tensorboard.bench_epoch_done(epoch(n, loss))
    (run,) = (tmp_path / "runs").iterdir()
    assert scalars(run)["train/loss"] == [(1, 2.5), (2, 1.25)]  # to be seen before the training ends
    tensorboard.bench_stage_done(stage("train", "k" * 64, epochs=2))
    tensorboard.bench_stage_done(stage("measure", "m" * 64, top1=50.0, loss=0.5))
    tensorboard.bench_stage_done(stage("resolve", "r" * 64))
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["finetune-_a-..-b_0.5"] and not tensorboard.OPEN
    found = scalars(run)
    assert found["measure/top1"] == [(0, 50.0)] and found["measure/loss"] == [(0, 0.5)] and len(found["train/rate"]) == 2


def test_off_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_TENSORBOARD", raising=False)
    tensorboard.bench_sweep_begins(1)
    tensorboard.bench_epoch_done(epoch(1, 1.0))
    tensorboard.bench_stage_done(stage("measure", "m", top1=1.0))
    assert not list(tmp_path.iterdir()) and not tensorboard.OPEN


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    whole = builtins.__import__

    def without(name, *rest):
        if name == "torch.utils.tensorboard":
            raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")
        return whole(name, *rest)

    monkeypatch.setenv("BENCH_TENSORBOARD", str(tmp_path / "runs"))
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BenchError, match="tensorboard is not installed") as caught:
        tensorboard.bench_sweep_begins(1)
    assert "benchbase[tensorboard]" in caught.value.todo


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_TENSORBOARD", str(tmp_path / "file" / "runs"))
    with pytest.raises(BenchError, match="cannot write there"):
        tensorboard.bench_sweep_begins(1)
