"""How long a stage may take and how much memory, in the process that runs it: one that takes more has failed, and the sweep goes on."""
from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.training.heap import give_back

LATE = 15.0  # seconds after which a stage that does not hear that its time is over ends with its process
EXPIRED = "Timeout ("  # how faulthandler begins what it writes then


@dataclass(frozen=True)
class Limits:
    """seconds: that a stage may take.  memory: bytes that it may take beside what its process held before, what it freed and kept mapped
    among that; on a GPU nothing is counted.  0: no limit."""

    seconds: float = 0.0
    memory: int = 0

    def __bool__(self) -> bool:
        return bool(self.seconds or self.memory)

    def check(self) -> None:
        """Raise BenchError where this system has no such limits."""
        if self.seconds and not hasattr(signal, "setitimer"):
            raise BenchError("this system has no timers", "leave --stage-timeout out")
        if self.memory and held() is None:
            raise BenchError("this system cannot limit the memory of a process", "leave --stage-memory out")

    def of(self, kind: str) -> float:
        """The limit that a failure of this kind ran into, 0 for none."""
        return {"timeout": self.seconds, "oom": float(self.memory)}.get(kind, 0.0)

    @contextmanager
    def within(self, what: str, log: Any = None) -> Iterator[None]:
        """Run a block under the limits: BenchError, kind "timeout", where it takes too long; an allocation beyond the limit fails.

        log: a file for the last calls of a block that does not even hear of it, in native code: its process ends. Only in the main thread
        of a process that no command of the user runs in: the timer is the process's one.
        """
        with ExitStack() as stack:
            if self.seconds and threading.current_thread() is threading.main_thread():
                stack.enter_context(self._timed(what, log))
            if self.memory:
                stack.enter_context(self._narrow())
            yield

    @contextmanager
    def _timed(self, what: str, log: Any) -> Iterator[None]:
        def over(number: int, frame: Any) -> None:
            raise BenchError(f"{what} took longer than {self.seconds:g} seconds", "give it more with --stage-timeout", "timeout")

        before = signal.signal(signal.SIGALRM, over)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        if log is not None:
            faulthandler.dump_traceback_later(self.seconds + LATE, exit=True, file=log)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if log is not None:
                faulthandler.cancel_dump_traceback_later()

    @contextmanager
    def _narrow(self) -> Iterator[None]:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        give_back()
        most = (held() or 0) + self.memory
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def held() -> int | None:
    """Bytes of writable private memory that this process has mapped: what RLIMIT_DATA counts on Linux. None where nobody tells."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData:"))
    except (OSError, StopIteration, ValueError):
        return None
