"""TensorBoard, where BENCH_TENSORBOARD names a folder: a run for each training and each network measured, by torch's own writer.

train/loss and train/rate are a point an epoch; measure/top1, measure/loss and what else is measured, one each. Needs
`pip install 'benchbase[tensorboard]'`. Nothing that is written here reaches a result or a key.
"""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from benchbase import BenchError, hookimpl

from ._folder import made

VARIABLE = "BENCH_TENSORBOARD"
OPEN: dict[str, Any] = {}  # writers of the trainings under way: a hook has no other place to keep one


@hookimpl
def bench_sweep_begins(cells: int) -> None:
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    try:
        import torch.utils.tensorboard  # noqa: F401 -- it imports the package
    except ImportError as error:
        raise BenchError(f"{VARIABLE} is set, and {error.name or 'tensorboard'} is not installed",
                         f"pip install 'benchbase[tensorboard]', or unset {VARIABLE}") from None
    with made(VARIABLE, folder) as place:
        if not os.access(place, os.W_OK):
            raise OSError("it is not writable")


@hookimpl
def bench_epoch_done(event: Any) -> None:
    if folder := os.environ.get(VARIABLE):
        if event.key not in OPEN:
            OPEN[event.key] = _writer(folder, event.label)
        for name in ("loss", "rate"):
            OPEN[event.key].add_scalar(f"train/{name}", getattr(event, name), event.epoch)
        OPEN[event.key].flush()  # a curve is looked at while it grows


@hookimpl
def bench_stage_done(event: Any) -> None:
    if event.key in OPEN:
        OPEN.pop(event.key).close()
    if (folder := os.environ.get(VARIABLE)) and event.kind in ("measure", "gauge"):
        writer = _writer(folder, event.label)
        for name, value in event.numbers.items():
            writer.add_scalar(f"{event.kind}/{name}", value, 0)
        writer.close()


def _writer(folder: str, label: str) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(Path(folder) / (re.sub(r"[^\w.+=,@ -]+", "-", label).replace(" ", "_")[:150] or "run")))
