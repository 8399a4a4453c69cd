"""The last epoch of a running training, on disk: whole or absent, believed only where its digest is right.

A folder holds one safetensors file (model, momentum, tensors of callbacks) and checkpoint.json (the epoch, the callbacks' other values, what
it was made with, digests). The JSON file is replaced last, by a rename, and names the tensors that belong to it.
"""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from benchbase.errors import BenchError
from benchbase.flow.course import Course
from benchbase.flow.store import CHECKPOINT, sync
from benchbase.nets.weights import digest_of, read_weights
from benchbase.training.state import DAMAGED, State
from benchbase.values.bounded import json_of

# A checkpoint costs a copy of the weights, and writing it. Each is done when so many times its last cost have gone by: 2 % of a training.
HOLD, WRITE = 400, 60
GUESS = 1 / WRITE  # seconds that the first writing is thought to cost: a training of less than a second keeps none


class Keeper:
    """Keeps the last epoch of the training under way: in memory, on disk as often as costs little, and on disk when it is interrupted.

    course: of the stage.  made: the versions and the device that it is made with.
    Use it as a context around the training: what ends the training early writes what is held, unless going on would fail again.
    """

    def __init__(self, course: Course, made: Mapping[str, Any]) -> None:
        now = time.perf_counter()
        self._course, self._made, self._kept = course, dict(made), -1
        self._state: State | None = None
        self._begun, self._before, self._held_at, self._written_at = now, 0.0, -1e9, now
        self._hold, self._write = 0.0, GUESS

    @property
    def seconds(self) -> float:
        """What the parts of this training before this one took."""
        return self._before

    @property
    def made(self) -> dict[str, Any]:
        """Versions and device that all parts of this training were made with."""
        return self._made

    def found(self) -> State | None:
        """Where an earlier run of this stage came to, to go on from. A damaged checkpoint, or one that was made with other versions
        than are here now, is set aside, and `course.say` tells so."""
        if self._course.folder is None:
            return None
        try:
            if (read := read_checkpoint(self._course.folder)) is None:
                return None
            state, facts = read
            if facts["key"] != self._course.key:
                raise BenchError("it is of another stage", kind=DAMAGED)
            if self._course.anew and facts["sweep"] != self._course.sweep:
                return None
            if facts["versions"] != self._made["versions"]:
                raise BenchError("it was made with other versions of packages", kind=DAMAGED)
            before, names = float(facts["seconds"]), dict.fromkeys([facts["device"]["name"], self._made["device"]["name"]])
        except (BenchError, KeyError, TypeError, ValueError) as error:
            self.set_aside(error.what if isinstance(error, BenchError) else "a field is missing")
            return None
        self._before, self._kept = before, state.epoch
        self._made["device"] = {**self._made["device"], "name": ", ".join(names)[:200]}
        self._course.say(f"goes on after epoch {state.epoch}")
        return state

    def set_aside(self, why: str) -> None:
        """Give the checkpoint another name, for people to look at, and say so."""
        folder = self._course.folder
        if folder is None:
            return
        aside = folder.with_name(f"{folder.name}.aside")
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(folder, aside)
        self._before, self._kept = 0.0, -1
        self._course.say(f"its checkpoint cannot be used: {why}. It is set aside as {aside}, and the training begins anew")

    def after_epoch(self, epoch: int, take: Callable[[], State]) -> None:
        """Hold the state after `epoch` (from 0), and write it, where enough time has gone by."""
        now = time.perf_counter()
        if self._course.folder is None or now - self._held_at < HOLD * self._hold:
            return
        self._state = take()
        self._held_at = time.perf_counter()
        self._hold = self._held_at - now
        if self._held_at - self._written_at >= WRITE * self._write:
            self.write()

    def write(self) -> None:
        """Put what is held on disk, if it is newer than what is there. Where that fails, the training goes on without, and `course.say` tells so."""
        state, started = self._state, time.perf_counter()
        if state is None or state.epoch <= self._kept or self._course.folder is None:
            return
        facts = {**self._made, "key": self._course.key, "sweep": self._course.sweep, "seconds": round(self._before + started - self._begun, 3)}
        try:
            write_checkpoint(self._course.folder, state, facts)
            self._kept = state.epoch
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            self._course.say(f"its checkpoint cannot be written: {str(error).splitlines()[0][:200]}")
        self._written_at = time.perf_counter()
        self._write = self._written_at - started

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None and getattr(error, "kind", "") not in ("diverged", "method_error"):
            self.write()


def write_checkpoint(folder: Path, state: State, facts: Mapping[str, Any]) -> None:
    """Put `state` in the place of the checkpoint in `folder`. At every moment there is the old one or the new one.

    facts: plain data that is kept with it.  Raises OSError or SafetensorError where it cannot be written, TypeError or ValueError where a
    callback's state is no plain data.
    """
    tensors, aside = folder / f"{uuid.uuid4().hex[:12]}.safetensors", folder / f"{CHECKPOINT}.part"
    body = {"epoch": state.epoch, "plain": state.plain, "facts": dict(facts), "file": tensors.name, "tensors": digest_of(state.tensors)}
    head = json.dumps({"body": body, "digest": _digest(body)})
    folder.mkdir(parents=True, exist_ok=True)
    try:
        save_file(state.tensors, tensors)
        sync(tensors)
        aside.write_text(head, encoding="utf-8")
        sync(aside)
        os.replace(aside, folder / CHECKPOINT)
    except (OSError, SafetensorError):
        for half in (tensors, aside):
            half.unlink(missing_ok=True)
        raise
    sync(folder)
    for old in folder.glob("*.safetensors"):
        if old != tensors:
            old.unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> tuple[State, dict[str, Any]] | None:
    """The state and the facts in `folder`, None where there are none. Raises BenchError, kind DAMAGED, where any byte of it is not as written."""
    try:
        said = json_of((folder / CHECKPOINT).read_bytes(), finite=False)
        body = said["body"]
        if said["digest"] != _digest(body):
            raise BenchError("its digest is not right", kind=DAMAGED)
        tensors = read_weights(folder / Path(body["file"]).name)
        if digest_of(tensors) != body["tensors"]:
            raise BenchError("the digest of its tensors is not right", kind=DAMAGED)
        return State(int(body["epoch"]), tensors, body["plain"]), dict(body["facts"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BenchError as error:
        raise BenchError(error.what, error.todo, DAMAGED) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"it is no checkpoint ({type(error).__name__})", kind=DAMAGED) from None


def _digest(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
