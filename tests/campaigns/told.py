"""Imported by every process of a sweep that is to be killed: each finished epoch is written down, and checkpoints are written whatever they cost.

The environment names the file: the key of the stage and the epoch's number go there in one write, before a checkpoint of it is thought of.
"""
from __future__ import annotations

import os
from typing import Any

from sweeps import LOG

from benchbase.flow import checkpoint

checkpoint.HOLD = checkpoint.WRITE = 0
after_epoch = checkpoint.Keeper.after_epoch


def told(self: Any, epoch: int, take: Any) -> None:
    with open(os.environ[LOG], "ab", buffering=0) as file:
        file.write(f"{self._course.key} {epoch}\n".encode())
    after_epoch(self, epoch, take)


checkpoint.Keeper.after_epoch = told  # type: ignore[method-assign]
