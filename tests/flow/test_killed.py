"""A process killed before each of its file operations in turn: whatever moment a kill -9 finds, the next run has all and leaves nothing."""
from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from sweeps import killed_before

from benchbase.errors import BenchError
from benchbase.flow.checkpoint import read_checkpoint, write_checkpoint
from benchbase.flow.course import Course
from benchbase.flow.do import Do, Stage
from benchbase.flow.store import Store
from benchbase.training.state import State

EPOCHS = 3
KEPT = {"versions": {}, "device": {"name": "cpu"}, "key": "", "sweep": "", "seconds": 0.0}


@dataclass(frozen=True)
class Toys:
    """What the toy training needs of the world. fails: whether it diverges in its last epoch."""

    fails: bool = False
    course: Course = Course()


def train(tools, folder: Path, *, x: int):
    """A training that counts: its weights are the epochs it was trained for, from its checkpoint on, each of them kept."""
    read = read_checkpoint(tools.course.folder)
    since = read[0].epoch + 1 if read else 0
    weights = dict(read[0].tensors) if read else {"w": torch.zeros(2)}
    for epoch in range(since, EPOCHS):
        if tools.fails and epoch == EPOCHS - 1:
            raise BenchError("the loss is nan", kind="diverged")
        weights = {"w": weights["w"] + x}
        write_checkpoint(tools.course.folder, State(epoch, weights, {}), KEPT)
    (folder / "result").write_text(str(weights["w"].tolist()))
    return str(weights["w"].tolist()), {"since": since}


TRAIN = Stage("train", 1, train)


def run(root: Path, rerun: str = "", sweep: str = "", fails: bool = False) -> str:
    """The toy stage, as a sweep would have it: its digest, or its failure."""
    try:
        return Do(Store(root), Toys(fails), rerun=rerun, sweep=sweep)(TRAIN, x=1).digest
    except BenchError as error:
        return error.kind


def left(root: Path) -> list[Path]:
    """What a store holds that no stage needs."""
    return [*root.glob("??/.*"), *root.glob("checkpoints/*")]


@pytest.mark.parametrize(("first", "then"), [(None, {}), ({}, {"rerun": "all", "sweep": "again"}), (None, {"fails": True}),
                                             ({"fails": True}, {"rerun": "failed", "sweep": "again"})],
                         ids=["new", "anew", "failing", "failed before"])
def test_any_moment_will_do(tmp_path, first, then):
    want = run(tmp_path / "whole", **then)
    assert want == ("diverged" if then.get("fails") else str([float(EPOCHS)] * 2))
    for before in range(1, 1000):
        root = tmp_path / str(before)
        if first is not None:
            run(root, **first)
        if not killed_before(before, root, partial(run, root, **then)):
            break
        assert run(root, **then) == want, f"killed before operation {before}"
        assert left(root) == [], f"killed before operation {before}"
    assert before > 20


def test_what_another_process_makes_anew_is_left_to_it(tmp_path):
    """A finished stage that one sweep runs again, and another one meets: the first's checkpoint and folder stay."""
    store = Store(tmp_path)
    digest = run(tmp_path)
    [key] = (folder.name for folder in tmp_path.glob("??/*"))
    with store.lock(key), store.writing(key) as aside:
        write_checkpoint(store.checkpoint(key), State(0, {"w": torch.zeros(2)}, {}), KEPT)
        before = left(tmp_path)
        process = get_context("fork").Process(target=run, args=(tmp_path,))
        process.start()
        process.join()
        assert process.exitcode == 0 and left(tmp_path) == before and aside in before
        (aside / "stage.json").write_bytes((store.folder(key) / "stage.json").read_bytes())
        (aside / "result").write_text(digest)
    assert run(tmp_path) == digest and left(tmp_path) == []
