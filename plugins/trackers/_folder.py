"""The folder that a tracker writes to, where the user names one."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchbase import BenchError


@contextmanager
def made(variable: str, folder: str) -> Iterator[Path]:
    """Make the folder that the environment names by `variable`, and try it out in the block. What fails of it, OSError, is a BenchError."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder)
    except OSError as error:
        raise BenchError(f"{variable}={folder}: cannot write there: {error.strerror or error}", f"name another folder, or unset {variable}") from None
