"""Ways to run the cells of a sweep: one after another here, or in one-thread processes side by side."""
from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from benchbase.errors import BenchError
from benchbase.plugin.hookspecs import hookimpl

Work = Callable[[int], Any]


class Serial:
    """One cell after another in this process."""

    name = "serial"
    in_process = True

    def run(self, make: Callable[[], Work], count: int, jobs: int) -> Iterator[tuple[int, Any]]:
        """Yield (index, work(index)) for every index below `count`, where work = make()."""
        work = make()
        for index in range(count):
            yield index, work(index)


class Processes:
    """`jobs` worker processes of one thread each. `make` must pickle; each worker calls it once."""

    name = "processes"
    in_process = False

    def run(self, make: Callable[[], Work], count: int, jobs: int) -> Iterator[tuple[int, Any]]:
        """Yield (index, work(index)) as cells finish; for a cell whose worker died, (index, BenchError).

        A dying worker takes its pool with it. The cells that were running then run once more, each in a pool of its own, so that
        only the one that kills its worker fails; the others go on side by side.
        """
        left = deque(range(count))
        with one_thread():
            while left:
                suspects = yield from _pool(make, left, jobs)
                for index in suspects:
                    dead = yield from _pool(make, deque([index]), 1)
                    if dead:
                        yield index, BenchError("the worker process died", "the system's log says more: out of memory, or a crash in native code",
                                                "infra_error")


def _pool(make: Callable[[], Work], left: deque[int], jobs: int) -> Generator[tuple[int, Any], None, list[int]]:
    """Take indices off `left`, never more at a time than there are workers; returns those under way when a worker died."""
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(min(jobs, len(left)), mp_context=multiprocessing.get_context("spawn"), initializer=_start, initargs=(make,))
    running: dict[Any, int] = {}
    try:
        while left or running:
            while left and len(running) < jobs:
                index = left[0]
                with uninterrupted():
                    running[pool.submit(_work, index)] = index
                left.popleft()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield running.pop(future), result
        return []
    except BrokenProcessPool:
        return sorted(running.values())
    finally:
        workers = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers if running else ():  # interrupted, or one of them died: the others must not go on unheard
            worker.terminate()


WORKER: dict[str, Any] = {}  # of a worker process: `make`, put there by the pool's initializer, and the work that it made


def _start(make: Callable[[], Work]) -> None:
    WORKER["make"] = make


def _work(index: int) -> Any:
    if "work" not in WORKER:  # here, not in the initializer: what it raises comes back as what it is
        WORKER["work"] = WORKER["make"]()
    return WORKER["work"](index)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Processes started in this block never see Ctrl-C: it is for the one that started them, which ends them. It waits for the block's end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class one_thread:
    """Environment of the workers: one thread that does not spin while it waits (spinning beside a busy process costs up to 70x)."""

    NAMES = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self.NAMES}
        os.environ.update(self.NAMES)

    def __exit__(self, *error: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@hookimpl
def bench_executors() -> list[Any]:
    return [Serial(), Processes()]
