"""A process that runs cells for another one, and that one's view of it: given an index, waited for, interrupted, found dead."""
from __future__ import annotations

import faulthandler
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase.errors import BenchError
from benchbase.flow.limits import EXPIRED

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

PRELOADED = ("benchbase.flow.stages", "benchbase.nets.graph", "torch._dynamo")  # what every worker would import by itself, for seconds
PATIENCE = 10.0  # seconds that a worker which was told to go has for it, and that a start which is refused is tried again
STOPPED = 143  # exit code of a worker that was told to stop while it was at no cell: 128 + SIGTERM, as shells say it


class Worker:
    """A process with the work that make() gives it. It is started with its first index, and never sees Ctrl-C: whoever started it ends it.

    Where the system can, it is forked from a process that has imported torch and nothing else happened in: the first worker takes as long as that, and
    each one after it, as for one that died, no time. Should that process die, workers go on; the next one starts it again.
    """

    def __init__(self, make: Callable[[], Callable[[int], Any]]) -> None:
        import multiprocessing

        context: Any = multiprocessing.get_context("forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn")
        context.set_forkserver_preload(list(PRELOADED))
        self.index: int | None = None
        self._pipe, theirs = context.Pipe()
        self._words, words = context.Pipe(duplex=False)
        self._process: BaseProcess = context.Process(target=serve, args=(make, theirs, words, dict(os.environ)))
        with uninterrupted():
            _start(self._process)
        theirs.close()
        words.close()

    @property
    def busy(self) -> bool:
        """Whether it has a cell that is not done."""
        return self.index is not None

    @property
    def cell(self) -> int:
        """The index of the cell that it works on."""
        if self.index is None:
            raise ValueError("a worker that waits has no cell")
        return self.index

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def killed(self) -> bool:
        """Whether something ended it that it could not hear."""
        return self._process.exitcode == -getattr(signal, "SIGKILL", 9)

    def give(self, index: int) -> None:
        """Let it run a cell."""
        self.index = index
        try:
            self._pipe.send(index)
        except OSError:  # it is dead: `answer` says so
            pass

    def answer(self) -> tuple[str, Any]:
        """What came of its cell, which is then done: ("done", result), ("failed", exception), ("stopped", result as far as it came) or
        ("dead", None)."""
        self.index = None
        try:
            answer: tuple[str, Any] = self._pipe.recv()
            return answer
        except (EOFError, OSError):
            self._process.join(PATIENCE)
            return ("stopped" if self._process.exitcode == STOPPED else "dead"), None

    def failure(self) -> BenchError:
        """Why it died, as far as the system and its own last words tell."""
        said = os.read(self._words.fileno(), 1 << 16).decode("utf-8", "replace") if self._words.poll() else ""
        thread = (said.partition("Current thread")[2] or said.rpartition("Thread 0x")[2]).partition("\n\n")[0]  # the main one stands last
        where = "; ".join(f"{Path(file).name}:{line} in {name}" for file, line, name in reversed(FRAME.findall(thread)[:3]))
        if EXPIRED in said:
            return BenchError("a stage took longer than it may, in native code", "give it more with --stage-timeout", "timeout", where)
        code = self._process.exitcode
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        return BenchError(f"the worker process died ({how})", "the system's log says more: out of memory, or a crash in native code", "infra_error", where)

    def interrupt(self) -> None:
        """Tell it to stop: what it is at may keep how far it has come."""
        if self.alive:
            self._process.terminate()

    def dismiss(self) -> None:
        """Tell it that there is nothing more to do."""
        try:
            self._pipe.send(None)
        except OSError:
            pass
        self._process.join(PATIENCE)

    def end(self) -> None:
        """It is gone when this returns."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._words.close()


def _start(process: BaseProcess) -> None:
    """Start it. A process to fork it from that is just dying refuses, and is only replaced once it is seen to be dead."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return process.start()
        except (ConnectionError, EOFError):
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


FRAME = re.compile(r'File "([^"\n]+)", line (\d+) in (\S+)')  # of a traceback as faulthandler writes it, the innermost first


def waited(workers: Sequence[Worker], seconds: float | None = None) -> Iterator[Worker]:
    """Those at work, as they have something to tell or die. seconds: None returns with the first of them; else all are waited for, but no longer."""
    from multiprocessing.connection import wait

    ends = None if seconds is None else time.monotonic() + seconds
    while busy := {worker._pipe: worker for worker in workers if worker.busy}:
        ready: list[Any] = wait(busy, None if ends is None else max(ends - time.monotonic(), 0))
        yield from (busy[pipe] for pipe in ready)
        if ends is None or not ready:
            return


def serve(make: Callable[[], Callable[[int], Any]], pipe: Any, words: Any, environment: Mapping[str, str]) -> None:
    """The life of a worker: run each index that comes, tell what came of it, until there is none.

    words: a pipe for its last words, should it crash.  environment: its parent's, as it is now.  SIGTERM raises KeyboardInterrupt, once, so that a
    training keeps how far it has come; the end of the parent process does the same.
    """
    signal.signal(signal.SIGTERM, _stop)
    os.environ.clear()
    os.environ.update(environment)
    LOG.append(words)
    faulthandler.enable(words.fileno())
    threading.Thread(target=_orphaned, daemon=True).start()
    work = None
    try:
        if hasattr(signal, "pthread_sigmask"):  # held back since before its start
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD - {signal.SIGINT})
        while (index := pipe.recv()) is not None:
            try:
                work = work or make()
                answer = "done", work(index)
            except KeyboardInterrupt as stop:
                pipe.send(("stopped", next((part for part in stop.args if not isinstance(part, str)), None)))
                return
            except Exception as error:  # noqa: BLE001 -- told to the one who waits
                answer = "failed", error if isinstance(error, BenchError) else RuntimeError(f"{type(error).__name__}: {error}")
            pipe.send(answer)
    except KeyboardInterrupt:
        raise SystemExit(STOPPED) from None
    except (EOFError, OSError):  # who asked is gone
        pass


LOG: list[Any] = []  # of a worker process: the pipe for its last words


def last_words() -> Any:
    """The pipe for what a crash leaves, in a worker process; None elsewhere."""
    return LOG[0] if LOG else None


def _stop(number: int, frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)


def _orphaned() -> None:
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(1)


HELD = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, name)}


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals wait for the end of this block, so that a process is started whole. It inherits that, and listens to SIGTERM once it is
    ready, to Ctrl-C never: that is for the one that started it, which ends it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
