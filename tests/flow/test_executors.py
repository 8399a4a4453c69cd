"""Executors: every cell once, and only the cell that kills its worker fails."""
from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchbase.errors import BenchError
from benchbase.flow.executors import Processes, Serial, bench_executors
from benchbase.flow.threads import one_thread


def square() -> object:
    return lambda index: index * index


def logged(folder: str, killer: int = -1, way: str = "") -> object:
    """Writes down who ran what; cell `killer` takes its process with it."""
    Path(folder, f"made-{os.getpid()}").touch()

    def work(index: int) -> tuple[int, dict[str, str | None]]:
        with Path(folder, "log").open("a") as log:
            log.write(f"{index}\n")
        if index == killer:
            os._exit(7) if way == "exit" else os.kill(os.getpid(), getattr(signal, way))
        time.sleep(0.05)
        return os.getpid(), {name: os.environ.get(name) for name in one_thread.NAMES}
    return work


def unmakeable() -> object:
    raise BenchError("no such plugin", "install it")


def stubborn(folder: str) -> object:
    def work(index: int) -> None:
        Path(folder, f"pid-{os.getpid()}").touch()
        time.sleep(0.1 if index == 0 else 60)
    return work


def listening(folder: str) -> object:
    def work(index: int) -> None:
        try:
            Path(folder, f"begun-{index}").touch()
            time.sleep(60)
        except KeyboardInterrupt as stop:
            Path(folder, f"left-{index}").touch()
            raise KeyboardInterrupt(str(stop), ("came", index)) from None
    return work


def stopping() -> object:
    def work(index: int) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(str(stop), ("came", index)) from None
    return work


def birth() -> Callable[[int], tuple[int, bool]]:
    return lambda index: (os.getppid(), "torch" in sys.modules)


def fatherless() -> Callable[[int], int]:
    """The first cell kills the process that its worker was forked from; the third one its worker."""
    def work(index: int) -> int:
        if index in (0, 2):
            os.kill(os.getppid() if index == 0 else os.getpid(), signal.SIGKILL)
        return index
    return work


def sweep_of_listeners(folder: str) -> None:
    list(Processes().run(partial(listening, folder), 2, 2))


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_serial_runs_in_order_here():
    assert list(Serial().run(square, 4, 1)) == [(0, 0), (1, 1), (2, 4), (3, 9)] and Serial.in_process


def test_they_have_names():
    assert [e.name for e in bench_executors()] == ["serial", "processes"]


def test_processes_run_every_cell_once_in_few_workers_of_one_thread(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    done = dict(Processes().run(partial(logged, str(tmp_path)), 6, 2))
    assert sorted(done) == list(range(6)) and sorted((tmp_path / "log").read_text().split()) == [str(i) for i in range(6)]
    workers = {pid for pid, _ in done.values()}
    assert len(workers) <= 2 and os.getpid() not in workers and len(list(tmp_path.glob("made-*"))) == len(workers)
    assert all(seen == one_thread.NAMES for _, seen in done.values())
    assert os.environ["OMP_NUM_THREADS"] == "7" and "OMP_WAIT_POLICY" not in os.environ


@pytest.mark.parametrize(("way", "tries", "kind", "words"), [
    ("SIGKILL", 2, "infra_error", "SIGKILL"), ("SIGSEGV", 1, "infra_error", "SIGSEGV"), ("exit", 1, "infra_error", "exit code 7")])
def test_only_the_cell_that_kills_its_worker_fails(tmp_path, way, tries, kind, words):
    """One killed from outside runs once more; the last words of one that crashed say where."""
    done = dict(Processes().run(partial(logged, str(tmp_path), 1, way), 5, 2))
    assert sorted(done) == list(range(5))
    [(index, failed)] = [(index, result) for index, result in done.items() if isinstance(result, BenchError)]
    assert (index, failed.kind) == (1, kind) and words in failed.what and ("test_executors.py" in failed.where) == (way == "SIGSEGV")
    assert "/" not in failed.where
    runs = (tmp_path / "log").read_text().split()
    assert [runs.count(str(i)) for i in range(5)] == [1, tries, 1, 1, 1]


def test_no_worker_outlives_a_sweep(tmp_path):
    list(Processes().run(partial(logged, str(tmp_path)), 3, 2))
    assert not any(Path(f"/proc/{p.name.partition('-')[2]}").exists() for p in tmp_path.glob("made-*"))


def test_workers_are_forked_from_a_process_that_may_die():
    """They go on without it, and those that follow have another one."""
    done = dict(Processes().run(fatherless, 4, 1))
    assert {index for index, result in done.items() if result == index} == {0, 1, 3} and isinstance(done[2], BenchError)
    assert dict(Processes().run(square, 3, 2)) == {0: 0, 1: 1, 2: 4}


@pytest.mark.parametrize("refusal", [ConnectionRefusedError, BrokenPipeError, EOFError])
def test_a_process_to_fork_from_that_is_just_dying_is_waited_for(refusal, monkeypatch):
    """It refuses before the system says that it is dead."""
    server, refused = multiprocessing.forkserver, list[Exception]()
    connect = server.connect_to_new_process

    def dying(fds: list[int]) -> tuple[int, int]:
        refused.append(refusal())
        if len(refused) < 3:
            raise refused[-1]
        return connect(fds)

    monkeypatch.setattr(server, "connect_to_new_process", dying)
    assert dict(Processes().run(square, 2, 1)) == {0: 0, 1: 1} and len(refused) == 3


def test_workers_of_all_sweeps_are_forked_from_one_process_that_has_imported_torch():
    born = [answer for _ in range(3) for _, answer in Processes().run(birth, 1, 1)]
    assert len({parent for parent, _ in born}) == 1 and os.getpid() not in dict(born) and all(torch for _, torch in born)


def test_an_interrupt_lets_each_cell_say_how_far_it_came(tmp_path):
    """Workers are told once; what interrupted cells report comes with the interrupt."""
    def interrupt() -> None:
        until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt) as stop:
        list(Processes().run(partial(listening, str(tmp_path)), 4, 2))
    assert sorted(stop.value.args) == [("came", 0), ("came", 1)] and sorted(p.name for p in tmp_path.iterdir()) == ["begun-0", "begun-1", "left-0", "left-1"]


def test_a_worker_that_stops_by_itself_ends_the_sweep():
    """As one does that a scheduler tells to stop, before this process is told."""
    with pytest.raises(KeyboardInterrupt) as stop:
        list(Processes().run(stopping, 1, 2))
    assert stop.value.args == ("SIGTERM", ("came", 0))


def test_workers_hear_of_the_end_of_their_parent(tmp_path):
    parent = multiprocessing.get_context("spawn").Process(target=sweep_of_listeners, args=(str(tmp_path),))
    parent.start()
    until(lambda: len(list(tmp_path.glob("begun-*"))) == 2)
    parent.kill()
    parent.join()
    until(lambda: len(list(tmp_path.glob("left-*"))) == 2)


def test_what_a_worker_cannot_open_comes_back_as_what_it_is():
    with pytest.raises(BenchError, match="no such plugin") as error:
        list(Processes().run(unmakeable, 2, 2))
    assert error.value.todo == "install it"


def test_whoever_stops_listening_ends_the_workers(tmp_path):
    running = Processes().run(partial(stubborn, str(tmp_path)), 4, 2)
    assert next(running)[0] == 0
    running.close()
    pids = [int(p.name.partition("-")[2]) for p in tmp_path.glob("pid-*")]
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids and not any(Path(f"/proc/{pid}").exists() for pid in pids)
