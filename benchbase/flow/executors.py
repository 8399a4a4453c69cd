"""Ways to run the cells of a sweep: one after another here, or in one-thread processes side by side."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from benchbase.errors import BenchError
from benchbase.plugin.hookspecs import hookimpl

Work = Callable[[int], Any]


class Serial:
    """One cell after another in this process."""

    name = "serial"

    def run(self, make: Callable[[], Work], count: int, jobs: int) -> Iterator[tuple[int, Any]]:
        """Yield (index, work(index)) for every index below `count`, where work = make()."""
        work = make()
        for index in range(count):
            yield index, work(index)


class Processes:
    """`jobs` worker processes of one thread each. `make` must pickle; each worker calls it once."""

    name = "processes"

    def run(self, make: Callable[[], Work], count: int, jobs: int) -> Iterator[tuple[int, Any]]:
        """Yield (index, work(index)) as cells finish; for a cell whose worker died, (index, BenchError).

        When a worker dies the pool is gone: what is left runs one by one, so that only the cell that kills its worker fails.
        """
        from concurrent.futures.process import BrokenProcessPool

        left = set(range(count))
        with one_thread():
            try:
                for index, result in _pool(make, sorted(left), jobs):
                    left.discard(index)
                    yield index, result
            except BrokenProcessPool:
                for index in sorted(left):
                    yield index, _alone(make, index)


def _pool(make: Callable[[], Work], indices: list[int], jobs: int) -> Iterator[tuple[int, Any]]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(indices)), mp_context=context, initializer=_start, initargs=(make,))
    try:
        running = {pool.submit(_work, index): index for index in indices}
        for future in as_completed(running):
            yield running[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list((pool._processes or {}).values()):
            process.terminate()


def _alone(make: Callable[[], Work], index: int) -> Any:
    from concurrent.futures.process import BrokenProcessPool

    try:
        return next(_pool(make, [index], 1))[1]
    except BrokenProcessPool:
        return BenchError("the worker process died", "the system's log says more: out of memory, or a crash in native code", "infra_error")


WORKER: dict[str, Work] = {}  # one work a worker process, put there by the pool's initializer: a pool hands tasks nothing else


def _start(make: Callable[[], Work]) -> None:
    WORKER["work"] = make()


def _work(index: int) -> Any:
    return WORKER["work"](index)


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
