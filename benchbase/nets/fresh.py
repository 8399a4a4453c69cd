"""How a network was initialised, and the same again on smaller tensors."""
from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import init

INITIALISERS = {f.__code__: f for name, f in vars(init).items() if name.endswith("_") and not name.startswith("_") and inspect.isfunction(f)}
RESETS = ("reset_parameters", "_reset_parameters")
LOAD = nn.Module.load_state_dict.__code__


@dataclass(frozen=True)
class Write:
    """One initialisation of one tensor, by an initialiser with arguments or by its module's own reset. mark: the values it gave."""

    tensor: Tensor
    mark: tuple[float, float]
    initialiser: Callable[..., Any] | None
    arguments: dict[str, Any]
    module: nn.Module | None


Writes = dict[str, tuple[Write | None, Tensor]]


@dataclass
class Watch:
    """What was seen while a network was built. writes: the last one to each piece of memory.  loaded: whether weights were loaded."""

    writes: dict[tuple[int, tuple[int, ...]], Write] = field(default_factory=dict)
    kept: list[Tensor] = field(default_factory=list)
    loaded: bool = False

    def add(self, write: Write) -> None:
        self.kept.append(write.tensor)  # alive until the end, so that no other tensor takes its memory
        self.writes[_place(write.tensor)] = write

    def of(self, tensor: Tensor) -> Write | None:
        """The write that gave `tensor` the values it has now; None where something else has written since, or nothing seen did."""
        write = self.writes.get(_place(tensor))
        return write if write is not None and write.mark == _mark(tensor) else None


@contextmanager
def watch() -> Iterator[Watch]:
    """Record, in this thread, the calls of torch.nn.init functions and of modules' reset_parameters, whatever name they are called by.

    A profile function sees calls by their code objects, so `from torch.nn.init import normal_` is seen too and nothing is patched.
    """
    seen, before = Watch(), sys.getprofile()
    depth: list[tuple[Any, dict[str, Any]]] = []
    resets: list[tuple[Any, dict[str, Any]]] = []
    within: list[int] = []  # tensors that an initialiser wrote within a reset: new memory may hold the very values already

    def see(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call":
            if code in INITIALISERS and not depth:
                depth.append((frame, dict(frame.f_locals)))
            elif code is LOAD:
                seen.loaded = True
            elif code.co_name in RESETS and isinstance(frame.f_locals.get("self"), nn.Module):
                resets.append((frame, _marks(frame.f_locals["self"])))
        elif event == "return":
            if depth and depth[-1][0] is frame:
                arguments = dict(depth.pop()[1])
                tensor = arguments.pop("tensor", None)
                if isinstance(tensor, Tensor) and not nn.parameter.is_lazy(tensor):
                    seen.add(Write(tensor, _mark(tensor), INITIALISERS[code], arguments, None))
                    within.extend([id(tensor)] * bool(resets))
            elif resets and resets[-1][0] is frame:
                module, old = frame.f_locals["self"], resets.pop()[1]
                for name, mark in _marks(module).items():
                    if mark != old.get(name) or id(module._parameters[name]) in within:  # what it did not write is someone else's
                        seen.add(Write(module._parameters[name], mark, None, {}, module))
                if not resets:
                    within.clear()

    sys.setprofile(see)
    try:
        yield seen
    finally:
        sys.setprofile(before)


def dense_writes(net: nn.Module, seen: Watch) -> Writes:
    """Parameter name -> how it got its values (None: unknown) and those values. Call it on the dense network, before slicing."""
    return {name: (seen.of(p), p.detach()) for name, p in net.named_parameters()}


def initialise_(net: nn.Module, dense: Writes) -> tuple[str, ...]:
    """Fresh weights for the sliced `net` from torch's global generator; returns the names of weights that had to be guessed.

    First each module's own reset, then the recorded calls, then the model's `init_weights(module)` on every module where it has one.
    A weight that was set in some other way keeps a dense draw, times sqrt(fan-in dense / fan-in sliced).
    """
    live = {id(m) for m in net.modules()}
    hook: Any = getattr(net, "init_weights", None)
    own = callable(hook) and _takes_a_module(hook)
    resets = {id(w.module): w.module for w, _ in dense.values() if w is not None and w.module is not None and id(w.module) in live}
    failed = {key for key, module in resets.items() if not _reset_(module)}
    guessed = []
    for name, p in net.named_parameters():
        write, values = dense[name]
        if write is not None and write.module is not None and id(write.module) in resets and id(write.module) not in failed:
            continue
        if write is not None and write.initialiser is not None:
            write.initialiser(p, **{k: v for k, v in write.arguments.items() if k != "generator"})
            continue
        with torch.no_grad():
            p.copy_(values[tuple(slice(0, n) for n in p.shape)])
            if p.dim() > 1 and p.shape != values.shape:
                p.mul_((values[0].numel() / p[0].numel()) ** 0.5)
                guessed.append(name)
    if own:
        net.apply(net.init_weights)  # type: ignore[arg-type]
        return ()
    return tuple(guessed)


def _reset_(module: nn.Module) -> bool:
    """Run the module's own reset; False, with its tensors as they were, where it does not fit their shapes."""
    before = {name: (p, p.detach().clone()) for name, p in module._parameters.items() if p is not None}
    reset = next(getattr(module, name) for name in RESETS if hasattr(module, name))
    try:
        reset()
        if all(module._parameters[n] is p and p.shape == old.shape for n, (p, old) in before.items()):
            return True
    except Exception:  # noqa: BLE001 -- a size written into the module's code: the caller falls back
        pass
    with torch.no_grad():
        for name, (p, old) in before.items():
            module._parameters[name] = p
            p.data = old
    return False


def _takes_a_module(function: Callable[..., Any]) -> bool:
    """Whether it is `init_weights(module)`; timm has an `init_weights(mode="")` that is something else."""
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return len(needed) == 1


def _place(tensor: Tensor) -> tuple[int, tuple[int, ...]]:
    return tensor.data_ptr(), tuple(tensor.shape)


def _marks(module: nn.Module) -> dict[str, tuple[float, float]]:
    return {name: _mark(p) for name, p in module._parameters.items() if p is not None and not nn.parameter.is_lazy(p)}


def _mark(tensor: Tensor) -> tuple[float, float]:
    """A fingerprint of values: enough to tell whether anything was written since."""
    if tensor.device.type == "meta":
        return 0.0, 0.0
    values = tensor.detach() if tensor.is_floating_point() else tensor.detach().double()
    return float(values.sum(dtype=torch.float64)), float(torch.linalg.vector_norm(values, 1, dtype=torch.float64))
