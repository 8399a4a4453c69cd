"""How long a forward pass takes: a dense and a pruned network, in turn."""
from __future__ import annotations

import copy
import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from benchbase.errors import BenchError, raised
from benchbase.training.machine import Machine
from benchbase.values.latency import Latency, in_turn

WARM_UP, WARM_SECONDS = 3, 0.3  # passes before the first that counts: at least so many, and for so long
SAMPLE = 0.005  # seconds of one timing: a faster network passes several times, so that the clock and the interpreter weigh little
NOT_COMPILED = "not_compiled"  # kind of the error where torch.compile does not work


def latency(dense: nn.Module, pruned: nn.Module, shape: tuple[int, ...], machine: Machine, batch: int = 1, mode: str = "eager",
            pairs: int = 30) -> Latency:
    """Time both networks on one batch of noise, (batch, *shape), in eval mode without gradients, in turn.

    Each has the machine's device, precision and threads, and the memory format that it would have in a training. Both are warmed up first; on a
    GPU the device is waited for before and after each timing. Copies are timed: the networks are not changed.
    Raises BenchError for too few pairs; kind "not_compiled" where torch.compile does not work here, as without a C++ compiler.
    """
    machine.prepare()
    if mode == "compiled":
        torch.compiler.reset()  # past 8 variants of one forward it would fall back to eager, silently
    with torch.inference_mode(), machine.autocast(), _without_gc():
        calls = [_ready(model, shape, machine, batch, mode) for model in (dense, pruned)]
        passes = math.ceil(SAMPLE / min(_warm(call, machine) for call in calls))
        timed = [_timed(call, machine, passes) for call in calls]
        return Latency(batch, mode, *in_turn(timed[0], timed[1], pairs))


def _ready(model: nn.Module, shape: tuple[int, ...], machine: Machine, batch: int, mode: str) -> Callable[[], Any]:
    """One forward pass of a copy of `model` on the device, compiled where that is asked for."""
    layout = machine.format_of(model)
    placed: Any = copy.deepcopy(model).eval().to(machine.device, memory_format=layout)  # type: ignore[call-overload]  # its stubs know either, not both
    noise = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(0))
    images = noise.to(machine.device).contiguous(memory_format=layout)
    if mode == "compiled":
        placed(images)  # what fails here as well is no fault of the compiler
        placed = torch.compile(placed, dynamic=False)
        try:
            placed(images)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # compilers, drivers and their caches raise what they like
            cause = getattr(error, "inner_exception", error)
            raise BenchError(f"torch.compile does not work here: {raised(cause)}"[:300], "install a C++ compiler (g++; CXX names another one), or time "
                             "eager networks alone", NOT_COMPILED) from error
    return lambda: placed(images)


def _warm(call: Callable[[], Any], machine: Machine) -> float:
    """Run `call` until it is warm; the seconds that it takes then."""
    start, passes = time.perf_counter(), 0
    while passes < WARM_UP or time.perf_counter() - start < WARM_SECONDS:
        took = _timed(call, machine, 1)()
        passes += 1
    return max(took, 1e-9)


def _timed(call: Callable[[], Any], machine: Machine, passes: int) -> Callable[[], float]:
    """Seconds of one pass, as the mean of several in a row."""
    wait = torch.cuda.synchronize if machine.device != "cpu" else lambda device: None

    def seconds() -> float:
        wait(machine.device)
        start = time.perf_counter()
        for _ in range(passes):
            call()
        wait(machine.device)
        return (time.perf_counter() - start) / passes
    return seconds


@contextmanager
def _without_gc() -> Iterator[None]:
    """No garbage is collected within, as in `timeit`: it would fall on one of the two."""
    on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
