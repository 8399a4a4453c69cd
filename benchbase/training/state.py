"""Where a training stands between two epochs: enough to go on bit for bit, and nothing that needs a pickle."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchbase.errors import BenchError


DAMAGED = "damaged"  # kind of the error of a checkpoint that cannot be used: whoever has one trains anew


@dataclass(frozen=True)
class State:
    """epoch: epochs done.  tensors: "model/<name>", "momentum/<parameter>" and "callback/<path>", copies on the CPU, for safetensors.
    plain: the callbacks' other values, JSON with {"tensor": "callback/<path>"} where a tensor was. Generators need no state: they
    are seeded anew each epoch."""

    epoch: int
    tensors: dict[str, Tensor]
    plain: Any


def state_of(epoch: int, model: nn.Module, optimiser: torch.optim.Optimizer, callbacks: Any) -> State:
    """A copy of everything that training after `epoch` epochs depends on."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        momentum = optimiser.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum/{name}"] = momentum
    plain = _taken(callbacks.state(), "callback", tensors)
    return State(epoch, {k: v.detach().to("cpu", copy=True, memory_format=torch.contiguous_format) for k, v in tensors.items()}, plain)


def restore_(state: State, model: nn.Module, optimiser: torch.optim.Optimizer, callbacks: Any) -> None:
    """Put `state` back. Raises BenchError, kind DAMAGED, where it belongs to another network, or a callback does not take it back."""
    kept = {k.removeprefix("model/"): v for k, v in state.tensors.items() if k.startswith("model/")}
    parameters = dict(model.named_parameters())
    momenta = {k.removeprefix("momentum/"): v for k, v in state.tensors.items() if k.startswith("momentum/")}
    try:
        model.load_state_dict(kept)
        for name, momentum in momenta.items():
            # the layout of the parameter, so that the optimiser computes as if never interrupted
            optimiser.state[parameters[name]]["momentum_buffer"] = torch.empty_like(parameters[name]).copy_(momentum)
    except (RuntimeError, KeyError) as error:
        raise BenchError(f"a checkpoint of another network: {str(error).splitlines()[0]}", "start this training anew", DAMAGED) from None
    try:
        callbacks.load(_given(state.plain, state.tensors))
    except Exception as error:
        raise BenchError(f"the callback's load fails on it: {type(error).__name__}: {error}"[:300], "start this training anew", DAMAGED) from error


def _taken(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, dict):
        return {str(k): _taken(v, f"{path}/{k}", tensors) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_taken(v, f"{path}/{i}", tensors) for i, v in enumerate(value)]
    return value


def _given(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict) and set(value) == {"tensor"} and isinstance(value["tensor"], str):
        return tensors[value["tensor"]].clone()
    if isinstance(value, dict):
        return {k: _given(v, tensors) for k, v in value.items()}
    if isinstance(value, list):
        return [_given(v, tensors) for v in value]
    return value
