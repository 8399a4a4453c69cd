"""Two CSV files, where BENCH_CSV names a folder: epochs.csv, a line an epoch trained, and stages.csv, a line a stage with what it measured.

Lines are added to what is there. Nothing that is written here reaches a result or a key.
"""
from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from benchbase import csv_cell, hookimpl

from ._folder import made

VARIABLE = "BENCH_CSV"
EPOCHS, STAGES = "epochs.csv", "stages.csv"
HEADS = {EPOCHS: ("label", "key", "epoch", "epochs", "loss", "rate"),
         STAGES: ("kind", "label", "key", "cached", "seconds", "top1", "top5", "loss", "value")}


@hookimpl
def bench_sweep_begins(cells: int) -> None:
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    with made(VARIABLE, folder) as place:
        for name, head in HEADS.items():
            with (place / name).open("a", newline="", encoding="utf-8") as file:
                if not file.tell():
                    csv.writer(file).writerow(head)


@hookimpl
def bench_epoch_done(event: Any) -> None:
    _add(EPOCHS, event.label, event.key, event.epoch, event.epochs, event.loss, event.rate)


@hookimpl
def bench_stage_done(event: Any) -> None:
    told = [event.numbers.get(name, "") if event.kind in ("measure", "gauge") else "" for name in HEADS[STAGES][5:]]
    _add(STAGES, event.kind, event.label, event.key, int(event.cached), round(event.seconds, 3), *told)


def _add(name: str, *cells: Any) -> None:
    """One line at the end of a file, in one writing, where the user wants one."""
    if folder := os.environ.get(VARIABLE):
        with (Path(folder) / name).open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(csv_cell(cell) if isinstance(cell, str) else cell for cell in cells)  # names come from plugins of others
