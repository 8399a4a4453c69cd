"""`do`: the stage's result out of the store, or the stage run. Experiments are written in terms of it and know neither."""
from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError, raised
from benchbase.flow.course import Course
from benchbase.flow.facts import circumstances
from benchbase.flow.limits import Limits
from benchbase.flow.store import NO_ROOM, Done, Store, write_stage
from benchbase.flow.workers import last_words
from benchbase.values.digest import digest

LASTING = ("diverged", "method_error", "not_applicable")  # failures that the same inputs bring again


@dataclass(frozen=True)
class Stage:
    """One kind of work. run(tools, folder, **inputs) fills `folder` and returns (digest of what it made, what to tell of it).

    version: raised when results change; part of every key.  cheap: run it even when only planning.
    """

    kind: str
    version: int
    run: Callable[..., tuple[str, dict[str, Any]]]
    cheap: bool = False


@dataclass(frozen=True)
class Event:
    """A stage has been looked up or run: what observers see. numbers: of what it tells of itself, those that are plain numbers, by name."""

    kind: str
    key: str
    cached: bool
    seconds: float
    label: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Epoch:
    """An epoch of a training has ended. epoch: its number, from 1 to epochs.  loss: mean of its steps' losses.  rate: the last learning rate."""

    key: str
    label: str
    epoch: int
    epochs: int
    loss: float
    rate: float


@dataclass(frozen=True)
class Running:
    """A stage under way. done: how much of it is behind, from 0 to 1.  note: something to be told of it, a line."""

    kind: str
    key: str
    label: str
    done: float = 0.0
    note: str = ""


def identity(value: Any) -> Any:
    """How an input enters a key: by its own `identity` where it has one (weights: the digest of the tensors), else whole."""
    if isinstance(value, dict):
        return {k: identity(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [identity(v) for v in value]
    own = getattr(value, "identity", None)
    return value if own is None else own


def key_of(stage: Stage, inputs: dict[str, Any]) -> str:
    """sha256 of [kind, version, inputs]; an input that is None is left out, so that a new optional one changes no old key."""
    return digest([stage.kind, stage.version, {k: identity(v) for k, v in inputs.items() if v is not None}])


def numbers_in(info: Mapping[str, Any]) -> dict[str, float]:
    """What of a stage's info is a plain number: accuracies, losses, counts. Few and short, so that an Event stays small."""
    return {name: value for name, value in info.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}


def needs(inputs: dict[str, Any]) -> list[str]:
    """The keys of the stages whose folders are among the inputs."""
    folders = [getattr(v, "folder", None) or getattr(getattr(v, "path", None), "parent", None) for v in inputs.values()]
    return sorted({f.name for f in folders if isinstance(f, Path)})


@dataclass(frozen=True)
class Do:
    """Returns what the store has, else runs the stage under its lock and stores it.

    tools: what stages need of the world (data, devices, models by name).  observe: called after every stage.  watch: called when a
    stage begins to run, and whenever it has come further; after every epoch of a training with its Epoch.
    rerun: "" (keep everything), "failed" (stages that failed before this sweep are tried again) or "all" (stages that this sweep has
    not run itself run again).  sweep: what this sweep is called in the stages that it runs, the same in all its processes: a stage
    that several cells share is rerun once.  limits: of a stage, in a process of its own.  known: failures of this sweep by key, also those
    that the store does not keep.
    """

    store: Store
    tools: Any
    observe: Callable[[Event], None] = lambda event: None
    watch: Callable[[Running | Epoch], None] = lambda running: None
    rerun: str = ""
    sweep: str = ""
    limits: Limits = Limits()
    known: dict[str, BenchError] = field(default_factory=dict)

    def __call__(self, stage: Stage, label: str = "", **inputs: Any) -> Done:
        key = key_of(stage, inputs)
        done, ran, seconds = self.find(key), False, 0.0
        if done is None:
            with self.store.lock(key):
                started = time.perf_counter()
                done = self.find(key)
                ran = done is None
                done = done or self._run(stage, key, inputs, label)
            seconds = time.perf_counter() - started
        if not ran:
            self.store.tidy(key)
        self.observe(Event(stage.kind, key, not ran, seconds, label, numbers_in(done.info)))
        return done

    def find(self, key: str) -> Done | None:
        """The stage in the store, unless it is to run again."""
        done = self.store.get(key)
        return None if done and self.rerun == "all" and done.sweep != self.sweep else done

    def failure(self, key: str) -> BenchError | None:
        """How the stage of this key failed before, unless it is to be tried again."""
        if key in self.known:
            return self.known[key]
        known = self.store.failure(key)
        if known is None or (self.rerun and known.get("sweep") != self.sweep):
            return None
        limit = known.get("limit", 0)
        if limit and not 0 < self.limits.of(known.get("kind", "")) <= limit:  # it may take more now
            return None
        return BenchError(*(str(known.get(name, "")) for name in ("what", "todo", "kind", "where")))

    def _run(self, stage: Stage, key: str, inputs: dict[str, Any], label: str) -> Done:
        if failure := self.failure(key):
            if failure.kind in LASTING:
                self.store.forget(key)
            raise failure
        under_way = Running(stage.kind, key, label)
        self.watch(under_way)
        course = Course(lambda part: self.watch(replace(under_way, done=part)), lambda text: self.watch(replace(under_way, note=text)),
                        self.store.checkpoint(key), key, self.sweep, self.rerun == "all", lambda *told: self.watch(Epoch(key, label, *told)))
        try:
            with self.store.writing(key) as folder:
                started = time.perf_counter()
                with self.limits.within(stage.kind, last_words()):
                    made, info = attempt(stage, replace(self.tools, course=course), folder, inputs)
                seconds = max(time.perf_counter() - started, info.get("seconds", 0.0))  # the parts before an interruption too
                write_stage(folder, Done(key, stage.kind, made, info, folder, seconds, self.sweep), needs(inputs), circumstances(inputs))
            self.store.forget(key)
        except BenchError as error:
            self._remember(key, error)
            raise
        finally:
            self.watch(replace(under_way, done=1.0))
        done = self.store.get(key)
        if done is None:
            raise BenchError("a stage just written cannot be read back", f"check the disk of {self.store.root}", "infra_error")
        return done

    def _remember(self, key: str, error: BenchError) -> None:
        """Write down a failure that the same inputs, or the same limit, bring again. Raises what is no failure of the stage: a full disk."""
        cause = error.__cause__
        if error.kind == "infra_error" and isinstance(cause, OSError) and cause.errno in NO_ROOM:
            raise self.store.unwritable(cause) from cause
        limit = self.limits.of(error.kind)
        if error.kind in LASTING or limit:
            self.store.fail(key, {"kind": error.kind, "what": error.what, "todo": error.todo, "where": error.where, "sweep": self.sweep,
                                  "limit": limit})
        if error.kind in LASTING:
            self.store.forget(key)


def attempt(stage: Stage, tools: Any, folder: Path, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Run a stage. Whatever it raises comes out as a BenchError that says who failed.

    A cheap stage judges what the user asked for, so its usage errors stay such; those of others are failures of their cell.
    """
    try:
        return stage.run(tools, folder, **{k: v for k, v in inputs.items() if v is not None})
    except (Exception, SystemExit) as error:
        failed = as_failure(error, stage.kind)
        if failed.kind == "usage" and not stage.cheap:
            failed.kind = "infra_error"
        failed.where = failed.where or tail(error.__cause__ or error)
        raise failed from error


def as_failure(error: Exception | SystemExit, what: str) -> BenchError:
    """`error`, raised in a stage (by its kind) or another part of a cell, as a BenchError whose kind says who failed: a method or a
    protocol where its code was called, the memory, else the harness or the machine, which may do better another time."""
    if out_of_memory(error) or out_of_memory(error.__cause__):
        return BenchError(f"out of memory: {what}", "use a smaller batch, or a device with more memory", "oom", tail(error.__cause__ or error))
    if isinstance(error, BenchError):
        return error
    kind = "method_error" if what.split()[0] in ("method", "protocol", "metric") else "infra_error"
    return BenchError(f"{what} failed: {raised(error)}"[:500], "its record in failed/ says where", kind, tail(error))


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an allocation failed: Python's, numpy's, or torch's on a device or on the processor."""
    if isinstance(error, RuntimeError) and "can't allocate memory" in str(error):
        return True
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def tail(error: BaseException, lines: int = 3) -> str:
    """The last calls before an error, without the paths of this machine."""
    frames = [f"{Path(f.filename).name}:{f.lineno} in {f.name}" for f in traceback.extract_tb(error.__traceback__)[-lines:]]
    return "; ".join(frames)
