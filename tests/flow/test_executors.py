"""Executors: every cell once, and only the cell that kills its worker fails."""
from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from benchbase.errors import BenchError
from benchbase.flow.executors import Processes, Serial, bench_executors, one_thread


def square() -> object:
    return lambda index: index * index


def logged(folder: str, killer: int = -1) -> object:
    """Writes down who ran what; cell `killer` takes its process with it."""
    Path(folder, f"made-{os.getpid()}").touch()

    def work(index: int) -> tuple[int, dict[str, str | None]]:
        with Path(folder, "log").open("a") as log:
            log.write(f"{index}\n")
        if index == killer:
            os.kill(os.getpid(), signal.SIGKILL)
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


@pytest.mark.parametrize("killer", [0, 2])
def test_only_the_cell_that_kills_its_worker_fails(tmp_path, killer):
    done = dict(Processes().run(partial(logged, str(tmp_path), killer), 5, 2))
    assert sorted(done) == list(range(5))
    failed = {index: result for index, result in done.items() if isinstance(result, BenchError)}
    assert list(failed) == [killer] and failed[killer].kind == "infra_error" and "died" in failed[killer].what
    runs = (tmp_path / "log").read_text().split()
    assert runs.count(str(killer)) == 2 and all(1 <= runs.count(str(i)) <= 2 for i in range(5))


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
