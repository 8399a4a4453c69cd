"""Sweeps in processes of their own, to be killed: started, ended, and held against one that nobody disturbed."""
from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

METHODS = ("l1-norm", "growing-reg")  # the second has a base of its own, and a state in training; they share a base and a scratch run
SWEEP = ("--model", "vgg-digits", "--dataset", "digits", "--seeds", "0", "--epochs", "6", "--finetune-epochs", "2",
         "--protocol", "one-shot", "--protocol", "finetune", "--protocol", "scratch-e", "--device", "cpu")
VOLATILE = ("started", "seconds")
GOES_ON, NEVER = "goes on after epoch", ("cannot be used", "cannot be written", "internal error")  # what a sweep may say, and what it must not
CHANGES = {"open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir"}  # as `sys.addaudithook` calls them
HANGS = 900.0  # seconds without an end
FORK = multiprocessing.get_context("fork")
LOG = "BENCH_CAMPAIGN_LOG"  # names the file in which finished epochs are written down, by every process of a sweep


class Place:
    """A folder with a store, a leaderboard and a log of epochs. sweep: arguments of `bench run`."""

    def __init__(self, root: Path, methods: tuple[str, ...] = METHODS, sweep: tuple[str, ...] = SWEEP) -> None:
        self.root, self.log = root, root / "epochs.log"
        root.mkdir(parents=True, exist_ok=True)
        named = [part for method in methods for part in ("-m", method)]
        self.command = ["run", *named, *sweep, "--store", str(root / "store"), "--leaderboard", str(root / "board")]

    def start(self, *more: str, dies: int = 0) -> Sweep:
        """The sweep, in a group of processes of its own. dies: before which of its file operations it kills itself, from 1; 0 never."""
        return Sweep([*self.command, *more], self.log, dies)

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


def repeated(epochs: list[tuple[str, int]]) -> tuple[int, int]:
    """Epochs that were trained to their end more than once: all, and the most that one interruption cost one stage."""
    again, most, last = 0, 0, dict[str, int]()
    for key, epoch in epochs:
        back = last.get(key, -1) + 1 - epoch
        if back > 0:
            again, most = again + back, max(most, back)
        last[key] = epoch
    return again, most


def compared(what: str, place: Place, want: dict[str, Any], code: int, said: str) -> list[str]:
    """What is not as in a sweep that nobody disturbed."""
    got = place.records()
    return [f"{what}: exit code {code}: {said[-500:]}"] * bool(code) + [f"{what}: other records: {differing(got, want)}"] * (got != want) \
        + [f"{what} left {place.leftovers()[:3]}"] * bool(place.leftovers()) + [f"{what} said: {word}" for word in NEVER if word in said]


def differing(got: dict[str, Any], want: dict[str, Any]) -> list[str]:
    """Where two sets of records differ, in short."""
    return [f"{path}: {'missing' if path not in got else 'new' if path not in want else [k for k in want[path] if got[path].get(k) != want[path][k]]}"
            for path in sorted({*got, *want}) if got.get(path) != want.get(path)][:5]


class Sweep:
    """A process that runs `bench` with `arguments`, and what it says on stderr.

    It is forked from this one, which has imported everything: hundreds of them start in the time of their work. Its workers come as they do
    for users, from a process of its own that imports what they need.
    """

    def __init__(self, arguments: list[str], log: Path, dies: int = 0) -> None:
        self._said = tempfile.NamedTemporaryFile("r", prefix="bench-crash-", errors="replace")
        self._process = FORK.Process(target=bench, args=(arguments, log, self._said.name, dies))
        self._process.start()

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._process.join(seconds)
        return self.code is not None

    def begun(self) -> None:
        """Returns once a worker lives, or it has ended, or hangs: before, it has only imported and planned."""
        ends = time.monotonic() + HANGS
        while not self.workers() and not self.wait(0.02) and time.monotonic() < ends:
            pass

    def kill(self, way: str) -> bool:
        """kill -9 what `way` says: all its processes, the first one, one worker, or the one that workers are forked from. Whether anything was killed."""
        pid = self._process.pid
        assert pid and pid > 1
        if self.code is not None:
            return False
        if way == "parent":
            self._process.kill()
        elif way == "all" and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        elif way in ("worker", "server") and (found := self.workers()):
            worker, server = random.choice(found)
            try:
                os.kill(worker if way == "worker" else server, signal.SIGKILL)
            except ProcessLookupError:
                return False
        else:
            return False
        return True

    def workers(self) -> list[tuple[int, int]]:
        """(worker, the process that it was forked from) of all that live: grandchildren that are what their parent is, not what it runs for a moment."""
        return [(worker, server) for server in children(self._process.pid or 0) for worker in children(server) if command(worker) == command(server) != b""]

    def ended(self) -> str:
        """What it has said, once it has ended. One that hangs is ended, with a note."""
        hangs = not self.wait(HANGS)
        if hangs:
            self.kill("all")
            self._process.join()
        with self._said:
            return self._said.read() + "internal error: it hangs" * hangs


def children(pid: int) -> list[int]:
    """The processes that one has started and that live."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command(pid: int) -> bytes:
    """The command line of a process; none of one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def bench(arguments: list[str], log: Path, said: str, dies: int) -> None:
    """The command, in the process that is to be killed. It and its workers write down epochs as `told` says."""
    os.setsid()
    os.dup2(os.open(said, os.O_WRONLY | os.O_APPEND), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from benchbase.cli import main
    from benchbase.flow import workers

    os.environ[LOG] = str(log)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    import told  # noqa: F401 -- it does its work by being imported

    workers.PRELOADED = ("told", *workers.PRELOADED)
    if dies:
        die(log.parent, dies)
    sys.exit(main(arguments))


def die(root: Path, before: int) -> None:
    """Kill this process when it is about to change, for that time, what lies below `root`: a file opened to be written, a folder made or removed,
    a name given or taken away."""
    at = 0

    def hook(event: str, given: tuple[Any, ...]) -> None:
        nonlocal at
        if event in CHANGES and str(given[0]).startswith(f"{root}{os.sep}") and not (event == "open" and given[2] & os.O_ACCMODE == os.O_RDONLY):
            at += 1
            if at == before:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def killed_before(number: int, root: Path, call: Callable[..., object], *given: Any) -> bool:
    """Whether call(*given), in a process of its own, was killed before its change of that number below `root`; else it came to its end."""
    process = FORK.Process(target=dying, args=(number, root, call, *given))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def dying(number: int, root: Path, call: Callable[..., object], *given: Any) -> None:
    die(root, number)
    call(*given)


def warmed(root: Path, methods: tuple[str, ...] = METHODS, sweep: tuple[str, ...] = SWEEP) -> None:
    """Import all that a sweep does, and read its networks once, for every process forked later. Nothing is trained: torch's threads of
    backward passes do not outlive a fork."""
    from benchbase.cli import main
    from benchbase.flow import run

    run.Tools = partial(run.Tools, traces={})  # type: ignore[misc]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        main(["plan", *Place(root / "warm", methods, sweep).command[1:]])
