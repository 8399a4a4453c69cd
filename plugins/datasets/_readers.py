"""Processes that decode images, seen from the one that trains: they write into its batches, and stay for all epochs."""
from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase import BenchError
from benchbase_plugins.datasets import _decode

if TYPE_CHECKING:
    from torch import Tensor

MOST = 8    # processes, unless told otherwise
CHUNK = 4   # images asked for at once: few enough that the questions fit into a pipe, or both sides would wait for each other

Draws = list[list[float]]


class Reader:
    """A process that decodes. It is told what to do through a pipe and ends with it, so that none outlives who started it, however that
    ended; it has a session of its own, so that Ctrl-C is not for it. It shares no memory, no threads and no `__main__` with this process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-W", "ignore", _decode.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}, start_new_session=True)
        assert self._process.stdin and self._process.stdout
        self._asked, self._told = self._process.stdin, self._process.stdout

    def read(self, files: Sequence[str], draws: Sequence[Draws | None], rows: Any) -> None:
        """Decode into rows, uint8 (n, 3 * 224 * 224). Raises BenchError naming the first file that cannot be read; EOFError where the process is gone."""
        try:
            self._asked.write(b"".join(json.dumps(question).encode() + b"\n" for question in zip(files, draws, strict=True)))
            self._asked.flush()
        except OSError:
            raise EOFError from None
        failed = [(file, error) for file, row in zip(files, rows, strict=True) if (error := self._answer(row))]
        for file, error in failed:
            raise BenchError(f"imagenet: cannot read {Path(file).parent.name}/{Path(file).name}: {error}", "mend or remove the file")

    def _answer(self, row: Any) -> str:
        """"" once the image is in the row, else the name of the error."""
        kind = self._told.read(1)
        if kind == _decode.FAILED:
            return self._told.readline().decode().strip()
        if kind != _decode.DONE or self._told.readinto(row) != _decode.BYTES:  # type: ignore[attr-defined]
            raise EOFError
        return ""

    def end(self) -> int:
        """Its exit code; it is gone when this returns."""
        self._process.kill()
        self._process.communicate()
        return self._process.returncode


class Readers:
    """`count` readers. A thread for each of them waits for its answers; those that are idle are started when they are first needed, and kept."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="reader")
        self._idle: queue.LifoQueue[Reader] = queue.LifoQueue()
        atexit.register(self.end)

    def begin(self, files: Sequence[str], draws: Sequence[Draws | None]) -> Batch:
        """A batch of the images, which are decoded from now on."""
        import torch

        images = torch.empty(len(files), 3, _decode.SIZE, _decode.SIZE, dtype=torch.uint8)
        rows = images.view(len(files), -1).numpy()
        parts = [slice(at, at + CHUNK) for at in range(0, len(files), CHUNK)]
        return Batch(images, [self._threads.submit(self._read, files[part], draws[part], rows[part]) for part in parts])

    def _read(self, *part: Any) -> None:
        try:
            reader = self._idle.get_nowait()
        except queue.Empty:
            reader = Reader()
        try:
            reader.read(*part)
        except EOFError:
            raise BenchError(f"imagenet: a process that decodes images ended (exit code {reader.end()})",
                             "the system's log says more: out of memory, or a crash in native code", "infra_error") from None
        except BenchError:
            self._idle.put(reader)
            raise
        self._idle.put(reader)

    def end(self) -> None:
        """End those that are idle: at the end of the interpreter, all."""
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end()


class Batch:
    """Images (n, 3, 224, 224) that are being decoded."""

    def __init__(self, images: Tensor, parts: list[Future[None]]) -> None:
        self._images, self._parts = images, parts

    def wait(self) -> Tensor:
        """All of them, as uint8. Raises BenchError naming a file that cannot be read."""
        for part in self._parts:
            part.result()
        return self._images

    def drop(self) -> None:
        """They are not wanted: what has not begun never will."""
        for part in self._parts:
            part.cancel()


@cache
def readers(count: int, process: int) -> Readers:
    """Those of this process, by its id: a fork has none of its parent's threads."""
    return Readers(count)


def default_count() -> int:
    """One a core that this process may use, 8 at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST)
