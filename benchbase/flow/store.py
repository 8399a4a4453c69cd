"""The store: finished stages by content key, each whole or absent, each run once."""
from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.values.bounded import json_of

STAGE = "stage.json"
FAILED = "failed.json"
MAX_BYTES = 32 << 20  # of one of them
CHECKPOINT = "checkpoint.json"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # what no other cell of a sweep would get around


@dataclass(frozen=True)
class Done:
    """A finished stage. digest: of what it made, and how it enters the keys of the stages after it.  info: what it tells of itself.
    sweep: which sweep ran it."""

    key: str
    kind: str
    digest: str
    info: dict[str, Any]
    folder: Path
    seconds: float
    sweep: str = ""

    @property
    def identity(self) -> str:
        return self.digest


@dataclass(frozen=True)
class Store:
    """Folders by key under `root`: ab/abcdef.../{stage.json, weights.safetensors, ...}, or {failed.json} where a stage always fails;
    locks/<key>.lock; checkpoints/<key>/ of trainings that are not done."""

    root: Path

    def folder(self, key: str) -> Path:
        return self.root / key[:2] / key

    def get(self, key: str) -> Done | None:
        """The finished stage of this key; None where there is none, or one whose files are damaged, so that it runs again."""
        folder = self.folder(key)
        try:
            data = _told(folder / STAGE)
            if any(not _stays(name) or (folder / name).stat().st_size != size for name, size in data["files"].items()):
                return None
            return Done(key, str(data["kind"]), str(data["digest"]), dict(data["info"]), folder, float(data["seconds"]), str(data["sweep"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return None
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR) and folder.is_dir():
                return None
            raise BenchError(f"cannot read the store: {error.strerror or error}", f"check {self.root}, or name another with --store") from None

    def aside(self, key: str) -> Path:
        """A new name for what is to take the place of the folder of `key`, or gives it up: what a process that dies leaves there is removed later."""
        return self.folder(key).with_name(f".{key}-{uuid.uuid4().hex[:12]}")

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """A new empty folder that takes the place of the folder of `key` when the block ends well, and goes away when it does not.

        Call it under the key's lock: what a process that died has left of this key is removed first.
        """
        folder, aside = self.folder(key), self.aside(key)
        with self.writable():
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._clear(key)
            aside.mkdir()
        try:
            yield aside
            with self.writable():
                self._put(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold the lock of `key`. It is the operating system's, so it goes away with a process that dies.

        wait: False gives up where another process holds it. Yields whether it is held.
        """
        from filelock import FileLock, Timeout

        path, held = self.root / "locks" / f"{key}.lock", True
        with self.writable():
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            try:
                lock.acquire(blocking=wait)
            except Timeout:
                held = False
        try:
            yield held
        finally:
            lock.release()

    def failure(self, key: str) -> dict[str, Any] | None:
        """What was written when the stage of this key failed, or None."""
        try:
            return dict(_told(self.folder(key) / FAILED))
        except (OSError, ValueError, TypeError):
            return None

    def fail(self, key: str, failure: dict[str, Any]) -> None:
        """Remember that the stage of this key fails, so that another run need not find out again. Call it under the key's lock."""
        with self.writing(key) as aside:
            (aside / FAILED).write_text(json.dumps(failure, sort_keys=True), encoding="utf-8")

    def checkpoint(self, key: str) -> Path:
        """The folder where the stage of this key may keep how far it has come. It is there only while the stage is not done."""
        return self.root / "checkpoints" / key

    def forget(self, key: str) -> None:
        """Remove the checkpoint of `key`, whole before its parts. Call it under the key's lock."""
        folder = self.checkpoint(key)
        (folder / CHECKPOINT).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def tidy(self, key: str) -> None:
        """Remove what processes that died have left beside a stage that is done: its checkpoint, the folder that it took the place of.

        All stays where another process runs the stage anew, or the store can only be read.
        """
        if self.checkpoint(key).exists() or self._asides(key):
            with suppress(BenchError), self.lock(key, wait=False) as held, self.writable():
                if held:
                    self._clear(key)
                    self.forget(key)

    @contextmanager
    def writable(self) -> Iterator[None]:
        """What the system refuses in this block is an error of the store."""
        try:
            yield
        except OSError as error:
            raise self.unwritable(error) from None

    def unwritable(self, error: OSError) -> BenchError:
        """The error of a store that takes nothing more: it ends a sweep."""
        return BenchError(f"cannot write to the store: {error.strerror or error}",
                          f"{self.root} must be writable and have room; or name another with --store")

    def _put(self, aside: Path, folder: Path) -> None:
        """Give a filled folder its name, once all of it is on the disk. What had the name before goes away."""
        for path in sorted(p for p in aside.rglob("*") if p.is_file()):
            sync(path)
        sync(aside)
        old = self.aside(folder.name)
        if folder.exists():
            os.rename(folder, old)
        os.rename(aside, folder)
        sync(folder.parent)
        shutil.rmtree(old, ignore_errors=True)

    def _asides(self, key: str) -> list[Path]:
        return list(self.folder(key).parent.glob(f".{key}-*"))

    def _clear(self, key: str) -> None:
        """Remove the folders that were to take this key's place, or gave it up. Under the key's lock, none of them is in use."""
        for left in self._asides(key):
            shutil.rmtree(left, ignore_errors=True)


def _told(path: Path) -> Any:
    """The plain data in a file of a stage. Raises ValueError where it is none, or too large or deep for one."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    return json_of(path.read_bytes())


def _stays(name: str) -> bool:
    """Whether a name of a file stays in the folder that it is told of."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def write_stage(folder: Path, done: Done, needs: Sequence[str] = (), ran: Mapping[str, Any] | None = None) -> None:
    """Write the stage.json of a folder that a stage has filled: what it tells, and which files of which sizes it left.

    needs: keys of the stages that it was made from, for people: nothing else reads them.  ran: where, and what it was about, for forecasts.
    """
    files = {p.relative_to(folder).as_posix(): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}
    data = {"kind": done.kind, "digest": done.digest, "info": done.info, "seconds": round(done.seconds, 3), "sweep": done.sweep, "files": files,
            "needs": list(needs), **({"ran": dict(ran)} if ran else {})}
    (folder / STAGE).write_text(json.dumps(data, sort_keys=True, allow_nan=False), encoding="utf-8")


def sync(path: Path) -> None:
    """What a file or folder holds is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
