"""Forward and backward pass of a training as one CUDA graph: small networks at small batches are bound by launches, not by the GPU."""
from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

Pass = Callable[[Tensor, Tensor], Tensor]  # (images, labels) -> loss, detached; gradients are in the parameters afterwards
Record = Callable[[Callable[[], Tensor]], Callable[[], Tensor]]  # what computes a loss -> what computes it again, in the same memory

FIRST = 3  # steps taken one operation at a time: cuDNN and cuBLAS choose their algorithms in them, which a recording must not see


def hooked(model: nn.Module) -> bool:
    """Whether a module has hooks: Python that a graph would run only once. Such a training, of a method that gates layers, is not recorded."""
    return any(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
               for module in model.modules())


class Captured:
    """`forward` (a Pass over `model`'s parameters), recorded after `FIRST` steps and replayed for every batch of the first one's shape; others, as
    the short last one, go through `forward` itself. Every step trains: the first ones and the recording are no extra ones.

    The same kernels on the same numbers: what changes is who launches them. Callbacks and the optimiser run between the replays, so that they
    may be any Python. A network that cannot be recorded (its forward asks the GPU for a number, and Python goes on by it) is trained without.
    """

    def __init__(self, forward: Pass, model: nn.Module, record: Record, side: Callable[[], Any]) -> None:
        self.forward, self.record, self.side = forward, record, side
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.steps, self.shape, self.refused = 0, torch.Size(), False
        self.replay: Callable[[], Tensor] | None = None

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        self.shape = self.shape or x.shape
        if self.refused or x.shape != self.shape:
            return self.forward(x, y)
        self.steps += 1
        if self.steps <= FIRST:
            with self.side(), watched() as waits:
                loss = self.forward(x, y)
            self.refused = self.steps == FIRST and bool(waits)
            return loss
        if self.replay is None and not self._recorded(x, y):
            return self.forward(x, y)
        return self._replayed(x, y)

    def _recorded(self, x: Tensor, y: Tensor) -> bool:
        """Record the pass on copies of this batch, which later ones are written over. Nothing is computed yet."""
        self.x, self.y = x.clone(), y.clone()
        for parameter in self.parameters:
            parameter.grad = None  # so that the recorded backward pass writes new gradients instead of adding to old ones
        try:
            self.replay = self.record(lambda: self.forward(self.x, self.y))
        except RuntimeError:
            self.refused = True
            return False
        self.gradients = [parameter.grad for parameter in self.parameters]
        return True

    def _replayed(self, x: Tensor, y: Tensor) -> Tensor:
        assert self.replay is not None
        self.x.copy_(x)
        self.y.copy_(y)
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient  # a callback, or a batch of another shape, may have put another one there
        return self.replay()


def captured(forward: Pass, model: nn.Module) -> Pass:
    """`forward` over `model`, on a GPU, as a graph where that can be."""
    if hooked(model):
        return forward
    stream = torch.cuda.Stream()

    def record(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
        graph, generator = torch.cuda.CUDAGraph(), torch.cuda.default_generators[torch.cuda.current_device()]
        try:
            with torch.cuda.graph(graph, stream=stream):
                loss = run()
        except RuntimeError:
            generator.graphsafe_set_state(generator.clone_state())  # the old one would think for ever that it is being recorded
            raise

        def replay() -> Tensor:
            graph.replay()
            return loss
        return replay
    return Captured(forward, model, record, lambda: beside(stream))


@contextmanager
def watched() -> Iterator[list[str]]:
    """What within waits for the GPU; nothing of that kind can be recorded."""
    waits: list[str] = []
    if not torch.cuda.is_available():
        yield waits
        return
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode(before)
    waits += [str(one.message) for one in said if "synchronizing CUDA" in str(one.message)]


@contextmanager
def beside(stream: Any) -> Iterator[None]:
    """On `stream`, in order with what is before and after. (What is recorded must not have run on the default stream before.)"""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)
