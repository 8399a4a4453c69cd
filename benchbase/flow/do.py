"""`do`: the stage's result out of the store, or the stage run. Experiments are written in terms of it and know neither."""
from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.store import Done, Store, write_stage
from benchbase.values.digest import canonical, digest

REMEMBERED = ("diverged", "method_error", "not_applicable")  # failures that the same inputs bring again


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
    """A stage has been looked up or run: what observers see."""

    kind: str
    key: str
    cached: bool
    seconds: float
    label: str = ""


@dataclass(frozen=True)
class Running:
    """A stage under way. done: how much of it is behind, from 0 to 1."""

    kind: str
    key: str
    label: str
    done: float = 0.0


def identity(value: Any) -> Any:
    """How an input enters a key: by its own `identity` where it has one (weights: the digest of the tensors), else whole."""
    if isinstance(value, dict):
        return {k: identity(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [identity(v) for v in value]
    own = getattr(value, "identity", None)
    return canonical(value) if own is None else canonical(own)


def key_of(stage: Stage, inputs: dict[str, Any]) -> str:
    """sha256 of [kind, version, inputs]; an input that is None is left out, so that a new optional one changes no old key."""
    return digest([stage.kind, stage.version, {k: identity(v) for k, v in inputs.items() if v is not None}])


@dataclass(frozen=True)
class Do:
    """Returns what the store has, else runs the stage under its lock and stores it.

    tools: what stages need of the world (data, devices, models by name).  observe: called after every stage.  watch: called when a
    stage begins to run, and whenever it has come further.
    rerun: "" (keep everything), "failed" (forget remembered failures) or "all" (forget every stage once).
    """

    store: Store
    tools: Any
    observe: Callable[[Event], None] = lambda event: None
    rerun: str = ""
    fresh: set[str] = field(default_factory=set)
    watch: Callable[[Running], None] = lambda running: None

    def __call__(self, stage: Stage, label: str = "", **inputs: Any) -> Done:
        key = key_of(stage, inputs)
        self._forget(key)
        done = self.store.get(key)
        if done is not None:
            self.observe(Event(stage.kind, key, True, 0.0, label))
            return done
        with self.store.lock(key):
            started = time.perf_counter()
            done = self.store.get(key)
            cached = done is not None
            done = done or self._run(stage, key, inputs, label)
        self.observe(Event(stage.kind, key, cached, time.perf_counter() - started, label))
        return done

    def _forget(self, key: str) -> None:
        if key in self.fresh or not self.rerun:
            return
        self.fresh.add(key)
        if self.rerun == "all" or self.store.failure(key):
            self.store.forget(key)

    def _run(self, stage: Stage, key: str, inputs: dict[str, Any], label: str) -> Done:
        failure = self.store.failure(key)
        if failure:
            raise BenchError(str(failure["message"]), "it failed so before; --rerun failed tries again", str(failure["kind"]))
        self.watch(Running(stage.kind, key, label))
        try:
            with self.store.writing(key) as folder:
                started = time.perf_counter()
                tools = self._ticking(lambda part: self.watch(Running(stage.kind, key, label, part)))
                made, info = stage.run(tools, folder, **{k: v for k, v in inputs.items() if v is not None})
                write_stage(folder, stage.kind, made, info, time.perf_counter() - started)
        except Exception as error:
            self.watch(Running(stage.kind, key, label, 1.0))
            failed = as_failure(error, stage)
            if failed.kind in REMEMBERED:
                self.store.fail(key, {"kind": failed.kind, "message": failed.what, "tail": tail(error)})
            raise failed from error
        done = self.store.get(key)
        if done is None:
            raise BenchError("a stage just written cannot be read back", f"check the disk of {self.store.root}", "infra_error")
        return done

    def _ticking(self, tick: Callable[[float], None]) -> Any:
        return replace(self.tools, tick=tick) if hasattr(self.tools, "tick") else self.tools


def as_failure(error: Exception, stage: Stage) -> BenchError:
    """`error` as a BenchError whose kind says who failed: the method, the machine, or the memory."""
    if isinstance(error, BenchError):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return BenchError(f"out of memory in stage {stage.kind}", "use a smaller batch, or a device with more memory", "oom")
    kind = "method_error" if stage.kind == "prune" else "infra_error"
    return BenchError(f"{stage.kind} failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:500],
                      "--traceback shows where", kind)


def tail(error: BaseException, lines: int = 3) -> str:
    """The last lines of the traceback, without the paths of this machine."""
    frames = [f"{Path(f.filename).name}:{f.lineno} in {f.name}" for f in traceback.extract_tb(error.__traceback__)[-lines:]]
    return "; ".join(frames)
