"""Attacks on running sweeps: processes killed at random moments, several runs at once, and hours of work in one process.

    export OMP_NUM_THREADS=1
    python tests/campaigns/crash.py kills --kills 200        kill -9 during sweeps on digits with 2 workers, until each is done
    python tests/campaigns/crash.py rounds --rounds 20       4 runs at once on one store and one leaderboard
    python tests/campaigns/crash.py soak --minutes 20        one suite again and again in one process: its memory and its open files

Each prints what came of it as JSON; with --out FILE it is put into that file, under the attack's name. Exit code 1 where something was lost.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

METHODS = ("l1-norm", "growing-reg")  # the second has a base of its own, and a state in training
SWEEP = ("--model", "vgg-digits", "--dataset", "digits", "--seeds", "0-1", "--epochs", "6", "--finetune-epochs", "2",
         "--protocol", "one-shot", "--protocol", "finetune", "--protocol", "scratch-e", "--device", "cpu")
VOLATILE = ("started", "seconds")
NOTES = ("goes on after epoch", "cannot be used", "cannot be written", "internal error")  # what a sweep may say, and what it must not
HANGS = 900.0  # seconds without an end
FORK = multiprocessing.get_context("fork")


class Place:
    """A folder with a store, a leaderboard and a log of epochs. sweep: arguments of `bench run`."""

    def __init__(self, root: Path, methods: tuple[str, ...] = METHODS, sweep: tuple[str, ...] = SWEEP) -> None:
        self.root, self.log = root, root / "epochs.log"
        root.mkdir(parents=True, exist_ok=True)
        named = [part for method in methods for part in ("-m", method)]
        self.command = ["run", *named, *sweep, "--store", str(root / "store"), "--leaderboard", str(root / "board")]

    def start(self, *more: str) -> Sweep:
        """The sweep, in a group of processes of its own."""
        return Sweep([*self.command, *more], self.log)

    def records(self) -> dict[str, Any]:
        """Path below the leaderboard -> content, without times. Every file must be whole."""
        board = self.root / "board"
        return {str(p.relative_to(board)): timeless(json.loads(p.read_text())) for p in sorted(board.rglob("*.json"))}

    def epochs(self) -> list[tuple[str, int]]:
        """(stage, epoch) of every epoch that was trained to its end, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(key, int(epoch)) for key, epoch in map(str.split, lines)]

    def leftovers(self) -> list[str]:
        """What a store holds that no finished stage needs."""
        store = self.root / "store"
        return [str(p.relative_to(store)) for p in [*store.glob("??/.*"), *store.glob("checkpoints/*")]]


def timeless(value: Any) -> Any:
    """A record without the times in it."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in VOLATILE}
    return value


def repeated(epochs: list[tuple[str, int]]) -> dict[str, int]:
    """Epochs that were trained to their end more than once: all, and the most that one interruption cost one stage."""
    again, most, last = 0, 0, dict[str, int]()
    for key, epoch in epochs:
        back = last.get(key, -1) + 1 - epoch
        if back > 0:
            again, most = again + back, max(most, back)
        last[key] = epoch
    return {"epochs": len(epochs), "again": again, "most_at_once": most}


class Sweep:
    """A process that runs `bench` with `arguments`, and what it says on stderr.

    It is forked from this one, which has imported everything, and so are its workers: hundreds of them start in the time of their work.
    """

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._said = tempfile.NamedTemporaryFile("r", prefix="bench-crash-", errors="replace")  # noqa: SIM115
        self._process = FORK.Process(target=bench, args=(arguments, log, self._said.name))
        self._process.start()

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._process.join(seconds)
        return self.code is not None

    def kill(self, way: str) -> bool:
        """kill -9 what `way` says: all its processes, the first one, or one worker. Whether anything was killed."""
        pid = self._process.pid
        assert pid and pid > 1
        if self.code is not None:
            return False
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if way == "parent":
            self._process.kill()
        elif way == "all" and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        elif way == "worker" and workers:
            os.kill(int(random.choice(workers)), signal.SIGKILL)
        else:
            return False
        return True

    def ended(self) -> str:
        """What it has said, once it has ended. One that hangs is ended, with a note."""
        hangs = not self.wait(HANGS)
        if hangs:
            self.kill("all")
            self._process.join()
        with self._said:
            return self._said.read() + "internal error: it hangs" * hangs


def bench(arguments: list[str], log: Path, said: str) -> None:
    """The command, in the process that is to be killed. log: where each finished epoch is written down, by its workers too: the key of
    its stage and its number, in one write, before a checkpoint of it is thought of."""
    os.setsid()
    os.dup2(os.open(said, os.O_WRONLY | os.O_APPEND), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from benchbase.cli import main as command
    from benchbase.flow.checkpoint import Keeper

    multiprocessing.get_context = lambda method=None: FORK  # type: ignore[assignment]
    after_epoch = Keeper.after_epoch

    def told(self: Any, epoch: int, take: Any) -> None:
        with open(log, "ab", buffering=0) as file:
            file.write(f"{self._course.key} {epoch}\n".encode())
        after_epoch(self, epoch, take)

    Keeper.after_epoch = told  # type: ignore[method-assign]
    sys.exit(command(arguments))


def warmed(root: Path, methods: tuple[str, ...], sweep: tuple[str, ...]) -> None:
    """Import all that a sweep does, and read its networks once, for every process forked later. Nothing is trained: torch's threads of
    backward passes do not outlive a fork."""
    import benchbase.flow.run as run
    from benchbase.cli import main as command

    run.Tools = partial(run.Tools, traces={})  # type: ignore[misc]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        command(["plan", *Place(root / "warm", methods, sweep).command[1:]])


def kills(root: Path, count: int, minutes: float = 60.0, methods: tuple[str, ...] = METHODS, sweep: tuple[str, ...] = SWEEP) -> dict[str, Any]:
    """kill -9 at `count` random moments of sweeps with 2 workers, each given again until it is done, and held against one never killed.
    The moments are spread evenly over the time that one takes alone. After `minutes` no more are begun."""
    ends = time.monotonic() + 60 * minutes
    warmed(root, methods, sweep)
    whole, started = Place(root / "whole", methods, sweep), time.monotonic()
    said, latest = whole.start("--jobs", "2").ended(), time.monotonic() - started
    want, ways, notes, lost = whole.records(), Counter[str](), Counter[str](), list[dict[str, int]]()
    wrong = [] if want else [f"no records of the sweep that nobody killed: {said[-500:]}"]
    while sum(ways.values()) < count and not wrong and time.monotonic() < ends:
        place, code = Place(root / f"sweep-{len(lost)}", methods, sweep), -1
        while code not in (0, 1, 2):
            running, way = place.start("--jobs", "2"), random.choice(("all", "all", "parent", "worker"))
            if sum(ways.values()) < count and not running.wait(random.uniform(0, latest)):
                ways[way] += running.kill(way)
            said = running.ended()
            code = running.code or 0
            notes.update(word for word in NOTES for _ in range(said.count(word)))
        wrong += compared(f"sweep {len(lost)}", place, want, code, said)
        lost.append(repeated(place.epochs()))
        print(f"{sum(ways.values())} of {count} kills, {len(lost)} sweeps done", file=sys.stderr, flush=True)
        shutil.rmtree(place.root, ignore_errors=True)
    if any(notes[word] for word in NOTES[1:]):
        wrong.append(f"damaged files, or worse: {dict(notes)}")
    return {"kills": sum(ways.values()), "killed": dict(ways), "sweeps": len(lost), "records_each": len(want), "latest_second": round(latest, 1),
            "went_on_from_checkpoints": notes[NOTES[0]], "damaged_files": notes[NOTES[1]], "epochs_needed": len(set(whole.epochs())) * len(lost),
            "epochs_trained_again": sum(told["again"] for told in lost), "epochs_lost_at_most_by_one_stage_at_once":
            max((told["most_at_once"] for told in lost), default=0), "wrong": wrong}


def rounds(root: Path, count: int, minutes: float = 60.0, runs: int = 4, methods: tuple[str, ...] = METHODS, sweep: tuple[str, ...] = SWEEP) -> dict[str, Any]:
    """`runs` runs of one sweep at once on one store and one leaderboard, `count` times, held against one run alone. After `minutes` no
    more are begun."""
    ends = time.monotonic() + 60 * minutes
    warmed(root, methods, sweep)
    alone = Place(root / "alone", methods, sweep)
    alone.start().ended()
    want, need, wrong, twice, number = alone.records(), sorted(alone.epochs()), [], 0, 0
    while number < count and time.monotonic() < ends:
        place = Place(root / f"round-{number}", methods, sweep)
        started = [place.start() for _ in range(runs)]
        said = [running.ended() for running in started]
        wrong += compared(f"round {number}", place, want, max(running.code or 0 for running in started), said[0])
        if sorted(place.epochs()) != need:
            twice += 1
            wrong.append(f"round {number}: {len(place.epochs())} epochs trained, {len(need)} needed")
        shutil.rmtree(place.root)
        number += 1
        print(f"{number} of {count} rounds", file=sys.stderr, flush=True)
    return {"rounds": number, "runs_at_once": runs, "records_each": len(want), "trainings_each": len({key for key, _ in need}),
            "rounds_that_trained_anything_twice": twice, "wrong": wrong}


def compared(what: str, place: Place, want: dict[str, Any], code: int, said: str) -> list[str]:
    """What is not as in a sweep that nobody disturbed."""
    got = place.records()
    return [f"{what}: exit code {code}: {said[-500:]}"] * bool(code) + [f"{what}: other records: {differing(got, want)}"] * (got != want) \
        + [f"{what} left {place.leftovers()[:3]}"] * bool(place.leftovers())


def differing(got: dict[str, Any], want: dict[str, Any]) -> list[str]:
    """Where two sets of records differ, in short."""
    return [f"{path}: {'missing' if path not in got else 'new' if path not in want else [k for k in want[path] if got[path].get(k) != want[path][k]]}"
            for path in sorted({*got, *want}) if got.get(path) != want.get(path)][:5]


def soak(root: Path, minutes: float) -> dict[str, Any]:
    """Sweeps of one process, one after the other, all of them new work in workers or here: what the process holds after each."""
    from benchbase.flow.run import run_suite
    from benchbase.flow.settings import Settings
    from benchbase.values.spec import Suite

    held, ends, number = [], time.monotonic() + 60 * minutes, 0
    while time.monotonic() < ends or number < 4:
        suite = Suite(("l1-norm", "random", "network-slimming"), datasets=("synthetic[train=64,test=32]",), protocols=("one-shot", "finetune", "scratch-e"),
                      seeds=tuple(range(number * 10, number * 10 + 10)), recipe={"epochs": 2, "batch_size": 32}, finetune={"epochs": 1})
        sweep = run_suite(suite, Settings(root / "store", root / "data", root / "board", device="cpu", jobs=1 + number % 2))
        held.append({"cells": (number + 1) * 30, "rss_mb": memory(), "open_files": len(os.listdir("/proc/self/fd")), "exit": sweep.exit_code})
        number += 1
    half = len(held) // 2
    grown = max(h["rss_mb"] for h in held[half:]) - max(h["rss_mb"] for h in held[1:half + 1])
    wrong = [f"grew by {grown:.0f} MB"] * (grown > 50) + ["open files grew"] * (held[-1]["open_files"] > held[1]["open_files"] + 2) \
        + ["a sweep failed"] * any(h["exit"] for h in held)
    return {"cells": held[-1]["cells"], "sweeps": number, "rss_mb_first_to_last": [round(h["rss_mb"]) for h in (held[1], held[half], held[-1])],
            "open_files_first_to_last": [h["open_files"] for h in (held[1], held[half], held[-1])], "grown_mb_in_second_half": round(grown, 1), "wrong": wrong}


def memory() -> float:
    """Megabytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of the campaign's own, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="bench-crash-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", choices=("kills", "rounds", "soak"))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=60.0, help="of a soak; of kills and rounds, after which no more are begun")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    random.seed(asked.seed)
    started = time.monotonic()
    with folder() as root:
        attack = {"kills": lambda: kills(root, asked.kills, asked.minutes), "rounds": lambda: rounds(root, asked.rounds, asked.minutes),
                  "soak": lambda: soak(root, asked.minutes)}
        result = {**attack[asked.attack](), "minutes": round((time.monotonic() - started) / 60, 1), "python": platform.python_version(),
                  "date": time.strftime("%Y-%m-%d", time.gmtime())}
    print(json.dumps(result, indent=1))
    if asked.out:
        known = json.loads(asked.out.read_text()) if asked.out.exists() else {}
        asked.out.write_text(json.dumps({**known, asked.attack: result}, indent=1, sort_keys=True) + "\n")
    return int(bool(result["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
