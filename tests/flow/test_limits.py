"""Limits of a stage: time, also where nobody listens, and memory."""
from __future__ import annotations

import ctypes
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from benchbase.errors import BenchError
from benchbase.flow import limits as module
from benchbase.flow.do import as_failure
from benchbase.flow.executors import Processes
from benchbase.flow.limits import Limits, held
from benchbase.flow.workers import last_words


def test_no_limit_changes_nothing():
    before = signal.getsignal(signal.SIGALRM)
    with Limits().within("train"):
        assert signal.getsignal(signal.SIGALRM) is before
    assert not Limits() and Limits(1) and Limits(0, 1)


def test_a_block_that_takes_too_long_ends():
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(BenchError, match="prune took longer than 0.1 seconds") as error, Limits(0.1).within("prune"):
        time.sleep(20)
    assert error.value.kind == "timeout" and signal.getsignal(signal.SIGALRM) is before and signal.setitimer(signal.ITIMER_REAL, 0) == (0, 0)
    with Limits(20).within("prune"):
        pass
    assert signal.setitimer(signal.ITIMER_REAL, 0) == (0, 0)


def greedy() -> object:
    """Work that takes 10 MiB and then 80 more in one of three ways, of the 40 MiB beside what its process held that it may have."""
    takes = [lambda: torch.ones(80 << 18), lambda: np.ones(80 << 17), lambda: bytearray(80 << 20)]

    def work(index: int) -> None:
        with pytest.raises((MemoryError, RuntimeError)) as error, Limits(0, 40 << 20).within("prune"):
            small = torch.ones(10 << 18)
            takes[index]()
        assert as_failure(error.value, "prune").kind == "oom" and small.sum() == 10 << 18
        assert takes[index]() is not None
    return work


@pytest.mark.skipif(held() is None, reason="this system does not count the memory of a process")
def test_memory_beyond_the_limit_is_refused_and_then_given_again():
    """In a fresh process: one that has run for long keeps what it freed, and 80 MiB of that would be given again without asking."""
    assert sorted(Processes().run(greedy, 3, 1)) == [(0, None), (1, None), (2, None)]


def deaf(late: float) -> object:
    """Work that hears no signal: a lock of C's that it waits for twice."""
    module.LATE = late

    def work(index: int) -> None:
        lock = ctypes.create_string_buffer(64)
        with Limits(0.2).within("prune", last_words()):
            for _ in range(2):
                ctypes.CDLL(None).pthread_mutex_lock(lock)
    return work


def deaf_soon() -> object:
    return deaf(0.5)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_native_code_that_does_not_listen_ends_with_its_process():
    [(index, failed)] = list(Processes().run(deaf_soon, 1, 1))
    assert (index, failed.kind) == (0, "timeout") and "test_limits.py" in failed.where and "in work" in failed.where
