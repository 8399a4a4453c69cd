"""Callbacks that the core owns, and several called as one. Hooks are those of `benchbase.Callback`."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchbase.errors import METHOD_FAULT, BenchError, raised


@dataclass
class KeepMasks:
    """Holds removed weights at zero: no gradient, no momentum and no decay reaches them, and every step is masked again (gate 2).

    masks: parameter name -> bool tensor of its shape, True stays. Comes after other callbacks, so that what they add is masked too.
    """

    masks: Mapping[str, Tensor]

    def start(self, model: nn.Module) -> None:
        """Zero what is removed. Raises BenchError for a mask of no parameter or of another shape."""
        parameters = dict(model.named_parameters())
        self._held = []
        for name, mask in self.masks.items():
            if name not in parameters:
                raise BenchError(f"a mask for {name!r}, which is no parameter of the network", "use the masks that belong to this network")
            weight = parameters[name]
            if mask.shape != weight.shape:
                raise BenchError(f"the mask for {name} has shape {tuple(mask.shape)}, the parameter {tuple(weight.shape)}",
                                 "use the masks that belong to this network")
            # weights * mask would make nan out of a removed infinity, and -0 out of a removed negative: fill instead
            gone = torch.empty_like(weight, dtype=torch.bool).copy_(~mask.bool())
            self._held.append((weight, gone))
        self.after_step(model)

    @torch.no_grad()
    def after_backward(self, model: nn.Module) -> None:
        """Removed weights have no gradient; so the optimiser's momentum of them stays zero from the first step."""
        for weight, gone in self._held:
            if weight.grad is not None:
                weight.grad.masked_fill_(gone, 0)

    @torch.no_grad()
    def after_step(self, model: nn.Module) -> None:
        """Removed weights are zero whatever the step did."""
        for weight, gone in self._held:
            weight.masked_fill_(gone, 0)

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """A callback before this one may have moved weights at the end of the epoch."""
        self.after_step(model)

    def finish(self, model: nn.Module) -> None:
        """The same at the end."""
        self.after_step(model)

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class Guarded:
    """A method's callback. Whatever a hook of it raises is the method's failure, kind "method_error", by the name of the hook."""

    callback: Any

    def start(self, net: Any) -> None:
        self._call("start", net)

    def after_backward(self, model: nn.Module) -> None:
        self._call("after_backward", model)

    def after_step(self, model: nn.Module) -> None:
        self._call("after_step", model)

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        self._call("after_epoch", model, epoch)

    def finish(self, model: nn.Module) -> None:
        self._call("finish", model)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self._call("state")
        return state

    def load(self, state: dict[str, Any]) -> None:
        self.callback.load(state)  # where it fails the training begins anew, and says so

    def _call(self, hook: str, *arguments: Any) -> Any:
        try:
            return getattr(self.callback, hook)(*arguments)
        except (Exception, SystemExit) as error:  # a plugin may raise anything
            if isinstance(error, BenchError) and error.kind != "usage":
                raise
            raise BenchError(f"callback {type(self.callback).__name__}: {hook} failed: {raised(error)}"[:500],
                             METHOD_FAULT, "method_error") from error


@dataclass(frozen=True)
class Chain:
    """Several callbacks as one, each hook called in their order."""

    callbacks: tuple[Any, ...]

    def start(self, model: nn.Module) -> None:
        for callback in self.callbacks:
            callback.start(model)

    def after_backward(self, model: nn.Module) -> None:
        for callback in self.callbacks:
            callback.after_backward(model)

    def after_step(self, model: nn.Module) -> None:
        for callback in self.callbacks:
            callback.after_step(model)

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        for callback in self.callbacks:
            callback.after_epoch(model, epoch)

    def finish(self, model: nn.Module) -> None:
        for callback in self.callbacks:
            callback.finish(model)

    def state(self) -> dict[str, Any]:
        return {str(i): callback.state() for i, callback in enumerate(self.callbacks)}

    def load(self, state: dict[str, Any]) -> None:
        for i, callback in enumerate(self.callbacks):
            callback.load(state[str(i)])
