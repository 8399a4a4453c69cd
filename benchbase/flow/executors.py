"""Ways to run the cells of a sweep: one after another here, or in one-thread processes side by side."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from benchbase.errors import BenchError, raised
from benchbase.flow.threads import one_thread
from benchbase.flow.workers import Worker, waited
from benchbase.plugin.hookspecs import hookimpl

Work = Callable[[int], Any]
GRACE = 20.0  # seconds that interrupted workers have for their checkpoints: a scheduler's kill follows after 30


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
        """Yield (index, work(index)) as cells finish; for a cell whose worker died, (index, BenchError), and another worker takes its place.

        A cell whose worker was killed from outside (kill -9: by whoever runs short of memory, as a rule) runs once more, when all others
        are done. KeyboardInterrupt ends the workers: each is told, may keep how far it has come, and is killed after `GRACE` seconds, or
        at the second interrupt. What interrupted cells have to report are then further arguments of the KeyboardInterrupt.
        """
        left, again, workers = deque(range(count)), set[int](), list[Worker]()
        with one_thread():
            try:
                while left or any(worker.busy for worker in workers):
                    self._occupy(workers, make, left, jobs)
                    for worker in waited(workers):
                        index, (how, what) = worker.cell, worker.answer()
                        if how == "done":
                            yield index, what
                        elif how == "failed":
                            raise what
                        elif how == "stopped":  # by someone else than this process, which may be next
                            raise KeyboardInterrupt("SIGTERM", *filter(None, [what]))
                        elif worker.killed and index not in again:
                            again.add(index)
                            left.append(index)
                        else:
                            yield index, worker.failure()
                    workers = parted(workers)
                for worker in workers:
                    worker.dismiss()
            except KeyboardInterrupt as stop:
                raise KeyboardInterrupt(*stop.args, *stopped(workers)) from None
            finally:
                stopped(workers)
                for worker in workers:
                    worker.end()

    @staticmethod
    def _occupy(workers: list[Worker], make: Callable[[], Work], left: deque[int], jobs: int) -> None:
        """Give idle workers, and new ones, what is left to do: never more at a time than there are workers."""
        idle = [worker for worker in workers if not worker.busy]
        while left and (idle or len(workers) < jobs):
            if not idle:
                workers.append(Worker(make))
                idle.append(workers[-1])
            idle.pop().give(left[0])
            left.popleft()


def answers(executor: Any, make: Callable[[], Work], count: int, jobs: int, sound: Callable[[Any], bool]) -> Iterator[tuple[int, Any]]:
    """(index, result) of what an executor has run, each index once; (index, BenchError) for one that it never gave a sound result of, because
    it failed or forgot it. What else it did wrong, with all results there, is an (-1, BenchError) at the end.

    A wrong command, or an interruption, is raised as it comes.
    """
    left, wrong = set(range(count)), list[str]()
    try:
        for item in executor.run(make, count, jobs):
            if not isinstance(item, tuple) or len(item) != 2:
                wrong.append(f"it gave {type(item).__name__}, not (index, result of the work)")
            elif not isinstance(item[1], BenchError) and not sound(item[1]):
                wrong.append(f"it gave {type(item[1]).__name__} as the result of the work")
            elif item[0] not in left:
                wrong.append(f"it gave the cell of index {item[0]!r} of {count} twice, or there is none")
            else:
                left.remove(item[0])
                yield item
    except (Exception, SystemExit) as error:
        if isinstance(error, BenchError):
            raise
        wrong.append(raised(error))
    for index in sorted(left) or [-1] * bool(wrong):
        yield index, at_fault(executor, wrong[0] if wrong else "it ended without this cell")


def at_fault(executor: Any, what: str) -> BenchError:
    """The failure of a cell that an executor has lost."""
    return BenchError(f"executor {executor.name}: {what}"[:500], "give another one with --executor, and tell its author", "infra_error")


def parted(workers: list[Worker]) -> list[Worker]:
    """Those that live; the dead are taken leave of."""
    for worker in (dead := [worker for worker in workers if not worker.alive and not worker.busy]):
        worker.end()
    return [worker for worker in workers if worker not in dead]


def stopped(workers: list[Worker]) -> list[Any]:
    """Interrupt those at work; what their cells report, as far as they came. None of them is waited for again."""
    busy = [worker for worker in workers if worker.busy]
    for worker in busy:
        worker.interrupt()
    try:
        answers = [worker.answer() for worker in waited(busy, GRACE)]
        return [what for how, what in answers if how in ("done", "stopped") and what is not None]
    finally:
        for worker in busy:
            worker.index = None


@hookimpl
def bench_executors() -> list[Any]:
    return [Serial(), Processes()]
