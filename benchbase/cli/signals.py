"""Ctrl-C, a scheduler's SIGTERM and a time limit all end a command in the same way: by KeyboardInterrupt in the main thread."""
from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchbase.errors import BenchError

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@contextmanager
def listening() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt("SIGTERM") while the block runs, as Ctrl-C does; in another thread than the main one, nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """KeyboardInterrupt("time limit") when the block takes longer than `seconds`; None: no limit."""
    if seconds is None:
        yield
        return
    if not hasattr(signal, "setitimer"):
        raise BenchError("this system has no timers", "leave --time-limit out")
    before = signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def parse_duration(text: str, what: str = "time limit") -> float:
    """Seconds in "90", "90s", "9m", "1h30m". Raises BenchError for anything else. what: the error's name of it."""
    parts = re.fullmatch(r"(?:\d+(?:\.\d+)?[smhd]?)+", text.strip().lower())
    pairs = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text.lower()) if parts else []
    seconds = sum(float(number) * UNITS[unit] for number, unit in pairs)
    if not seconds or (len(pairs) > 1 and any(unit == "" for _, unit in pairs)):
        raise BenchError(f"{what} {text!r} is not a time", "write it like 90s, 9m or 1h30m")
    return seconds


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt("time limit" if number == getattr(signal, "SIGALRM", None) else signal.Signals(number).name)
