"""Folders that a command will write to, looked at before it starts: what cannot be written at the end is refused at the beginning."""
from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.flow.settings import Settings


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    path = path.expanduser().absolute()
    return next(p for p in (path, *path.parents) if os.path.lexists(p))


def problem(path: Path) -> str:
    """Why no file can be made below `path`, or "". Nothing is made to find out."""
    found = existing(path)
    if not found.is_dir():
        return f"{found} is not a folder"
    if not os.access(found, os.W_OK | os.X_OK):
        return f"{found} is not writable"
    return ""


def check_writable(what: str, path: Path, todo: str) -> None:
    """Raise BenchError where `path`, the folder for `what`, cannot be written."""
    if why := problem(path):
        raise BenchError(f"cannot write the {what}: {why}", todo)


def check_run_folders(settings: Settings) -> None:
    """Raise BenchError unless a run can store its stages and write its records. Data need no writable folder, where they are there."""
    check_writable("store", settings.store, "make it writable, or name another folder with --store")
    check_writable("leaderboard", settings.leaderboard / "v1" / "records", "make it writable, or name another folder with --leaderboard")
    if not existing(settings.data).is_dir():
        raise BenchError(f"no data folder: {existing(settings.data)} is not a folder", "name another one with --data")
