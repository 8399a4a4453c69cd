"""The store: finished stages by content key, each whole or absent, each run once."""
from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError

STAGE = "stage.json"
FAILED = "failed.json"
MAX_STAGE_BYTES = 64_000_000


@dataclass(frozen=True)
class Done:
    """A finished stage. digest: of what it made, and how it enters the keys of the stages after it.  info: what it tells of itself."""

    key: str
    kind: str
    digest: str
    info: dict[str, Any]
    folder: Path
    seconds: float

    @property
    def identity(self) -> str:
        return self.digest


@dataclass(frozen=True)
class Store:
    """Folders by key under `root`: ab/abcdef.../{stage.json, weights.safetensors, ...}."""

    root: Path

    def folder(self, key: str) -> Path:
        return self.root / key[:2] / key

    def get(self, key: str) -> Done | None:
        """The finished stage of this key, or None. A stage that cannot be read is set aside, so that it runs again."""
        folder = self.folder(key)
        try:
            text = (folder / STAGE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BenchError(f"cannot read the store: {error.strerror}", f"check {self.root}, or name another with --store") from None
        try:
            if len(text) > MAX_STAGE_BYTES:
                raise ValueError("too large")
            data = json.loads(text)
            return Done(key, str(data["kind"]), str(data["digest"]), dict(data["info"]), folder, float(data["seconds"]))
        except (ValueError, KeyError, TypeError):
            self._set_aside(folder)
            return None

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """A new empty folder that becomes the folder of `key` when the block ends well, and goes away when it does not."""
        try:
            self.folder(key).parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{key[:12]}-", dir=self.folder(key).parent))
        except OSError as error:
            raise BenchError(f"cannot write to the store: {error.strerror}", f"make {self.root} writable, or name another with --store") from None
        try:
            yield aside
            for path in sorted(p for p in aside.rglob("*") if p.is_file()):
                _sync(path)
            _sync(aside)
            if self.folder(key).exists():
                self._set_aside(self.folder(key))
            os.rename(aside, self.folder(key))
            _sync(self.folder(key).parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the lock of `key`. It is the operating system's, so it goes away with a process that dies."""
        from filelock import FileLock

        path = self.root / "locks" / f"{key}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path)
            lock.acquire()
        except OSError as error:
            raise BenchError(f"cannot write to the store: {error.strerror}", f"make {self.root} writable, or name another with --store") from None
        try:
            yield
        finally:
            lock.release()

    def failure(self, key: str) -> dict[str, Any] | None:
        """What was written when the stage of this key failed, or None."""
        try:
            return dict(json.loads((self.folder(key) / FAILED).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def fail(self, key: str, failure: dict[str, Any]) -> None:
        """Remember that the stage of this key fails, so that a rerun need not find out again."""
        with self.writing(key) as aside:
            (aside / FAILED).write_text(json.dumps(failure, sort_keys=True), encoding="utf-8")

    def forget(self, key: str) -> None:
        """Remove the stage of this key."""
        if self.folder(key).exists():
            self._set_aside(self.folder(key))

    def _set_aside(self, folder: Path) -> None:
        target = Path(tempfile.mkdtemp(prefix=".old-", dir=folder.parent))
        os.rename(folder, target / folder.name)
        shutil.rmtree(target, ignore_errors=True)


def write_stage(folder: Path, kind: str, digest: str, info: dict[str, Any], seconds: float) -> None:
    """Write the stage.json of a folder that a stage has filled."""
    data = {"kind": kind, "digest": digest, "info": info, "seconds": round(seconds, 3)}
    (folder / STAGE).write_text(json.dumps(data, sort_keys=True, allow_nan=False), encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
