"""Folders that a command will write to, looked at before it starts: what cannot be written at the end is refused at the beginning."""
from __future__ import annotations

import os
from pathlib import Path

from benchbase.errors import BenchError


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


def check_run_folders(store: Path, leaderboard: Path) -> None:
    """Raise BenchError unless a run can store its stages and write its records."""
    check_writable("store", store, "make it writable, or name another folder with --store")
    check_writable("leaderboard", leaderboard / "v1" / "records", "make it writable, or name another folder with --leaderboard")
