"""Every call that a network makes to torch, written down: whether it does in train mode what it does in eval mode."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from benchbase.nets.exported import quiet

Call = tuple[Any, ...]


def calls_of(model: nn.Module, example: tuple[Any, ...], training: bool) -> tuple[Call, ...] | None:
    """What `model` calls on `example`: (function, arguments, results), tensors by name or number, then the network's own results.

    Two equal records are one computation. True and False are left out of the arguments: norms and dropout are told the mode that way; so
    is what only counts steps. None where a tensor appears that was computed out of sight.  Raises what the network raises.
    """
    with quiet(model), torch.set_grad_enabled(training), _Record(model, example) as record:
        output = model.train(training)(*example)
    calls = (*record.calls, ("output", *map(record.told, pytree.tree_leaves(output))))
    return None if record.hidden else calls


class _Record(TorchFunctionMode):
    """known: tensor -> its name or number; all are kept alive, so that no identity comes twice."""

    def __init__(self, model: nn.Module, example: tuple[Any, ...]) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.hidden = False
        self.known: dict[int, Any] = {id(t): name for name, t in (*model.named_parameters(), *model.named_buffers())}
        self.alive: list[Tensor] = []
        for leaf in pytree.tree_leaves(example):
            self._number(leaf)

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        given = pytree.tree_leaves((args, kwargs))
        told = [self.told(v) for v in given]
        out = func(*args, **(kwargs or {}))
        made = [v for v in pytree.tree_leaves(out) if isinstance(v, Tensor)]
        name = getattr(func, "__name__", repr(func))
        if (made or name != "__get__") and not _counts([*made, *given]):
            for t in made:
                self._number(t)
            self.calls.append((name, *told, "->", *(self.known[id(t)] for t in made)))
        return out

    def told(self, value: Any) -> Any:
        """A value as it is written down."""
        if isinstance(value, Tensor):
            if id(value) not in self.known:
                self.hidden |= value.grad_fn is not None
                self._number(value)
            return self.known[id(value)]
        return "flag" if isinstance(value, bool) else value if isinstance(value, (int, float, str)) else repr(value)

    def _number(self, value: Any) -> None:
        """A new number, also for a tensor that was changed in place or handed back as it was."""
        if isinstance(value, Tensor):
            self.known[id(value)] = f"%{len(self.alive)}"
            self.alive.append(value)


def _counts(values: list[Any]) -> bool:
    """Whether all tensors at hand are single whole numbers, as a norm's count of steps is."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    return bool(tensors) and all(t.dim() == 0 and t.dtype == torch.int64 for t in tensors)
