"""Files that are there whole or not at all, and what is left of those that were not finished."""
from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import time
from pathlib import Path

from benchbase.errors import BenchError

ASIDE = re.compile(r"\..+\.[a-z0-9_]{8}\.part")
DEAD = 3600.0  # seconds after which whoever writes a file aside has died over it: it takes a moment


def write_text(path: Path, text: str, fresh: bool = False) -> None:
    """Write a file whole or not at all: aside, fsynced, renamed. fresh: FileExistsError where it exists already."""
    aside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o644)
        if not (fresh and _linked(aside, path)):
            os.replace(aside, path)
            aside = ""
    except FileExistsError as error:
        if fresh and path.exists():
            raise
        raise _unwritable(path, error) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        if aside:
            with contextlib.suppress(OSError):
                os.unlink(aside)


def remove_asides(folder: Path) -> None:
    """Remove what processes have left below `folder` that died while they wrote a file, an hour ago or more. What cannot be removed stays."""
    for path in folder.rglob(".*.part"):
        with contextlib.suppress(OSError):
            if ASIDE.fullmatch(path.name) and time.time() - path.lstat().st_mtime > DEAD:
                path.unlink()


def is_there(path: Path) -> bool:
    """Whether a file is there; BenchError for one in a folder that cannot be looked into."""
    try:
        return path.exists()
    except OSError as error:
        raise _unwritable(path, error) from None


def _linked(aside: str, path: Path) -> bool:
    """Give the file its name unless it is taken (FileExistsError). False where the file system knows no links."""
    try:
        os.link(aside, path)
        return True
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
            if path.exists():
                raise FileExistsError(errno.EEXIST, "exists", str(path)) from None
            return False
        raise


def _unwritable(path: Path, error: OSError) -> BenchError:
    return BenchError(f"cannot write {path}: {error.strerror or error}", "give a leaderboard folder that can be written")
