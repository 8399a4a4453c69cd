"""Weights as files and as identities. Only safetensors are read: loading never runs code from a file."""
from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from benchbase.errors import BenchError


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors; the folder's atomicity is the caller's."""
    path.write_bytes(save({name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}))


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. BenchError for a pickle, a truncated file or no file."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}", "give a .safetensors file that exists") from None
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        # only now: a safetensors file begins with the length of its header, whose bytes may be those of a pickle's beginning
        if data[:2] == b"PK" or data[:1] == b"\x80":
            raise BenchError(f"{path} is a pickle, which can run code when it is loaded",
                             "save it as safetensors: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')") from None
        raise BenchError(f"{path} is not a whole safetensors file ({str(error).splitlines()[0][:120]})",
                         "it may be truncated: write or copy it again") from None


def check_weights(state: Mapping[str, Tensor], model: nn.Module, source: str = "the weights") -> None:
    """Raise BenchError unless `state` fits the model's state_dict by name, shape and dtype; the first mismatch is named."""
    todo = "give weights that were trained with this very model and number of classes"
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise BenchError(f"{source} are of another model: {name!r} is missing", todo)
        if tuple(state[name].shape) != tuple(tensor.shape):
            raise BenchError(f"{source} are of another model: {name!r} is {tuple(state[name].shape)}, the model has {tuple(tensor.shape)}", todo)
        if state[name].dtype != tensor.dtype:
            raise BenchError(f"{source} are of another model: {name!r} is {state[name].dtype}, the model has {tensor.dtype}", todo)
    if extra := next((name for name in state if name not in wanted), None):
        raise BenchError(f"{source} are of another model: it has no {extra!r}", todo)


def load_weights_(model: nn.Module, state: Mapping[str, Tensor], source: str = "the weights") -> nn.Module:
    """Check, then load. Values must be finite: a diverged network is not a start for anything."""
    check_weights(state, model, source)
    if bad := next((n for n, t in state.items() if t.is_floating_point() and not torch.isfinite(t).all()), None):
        raise BenchError(f"{source} hold nan or infinity in {bad!r}", "train it again with a smaller learning rate")
    model.load_state_dict(dict(state))
    return model


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and values, in the order of the names: the identity of weights or masks."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        t = tensors[name].detach().to("cpu").contiguous()
        total.update(f"{name}\0{t.dtype}\0{list(t.shape)}\0".encode())
        total.update(t.reshape(-1).view(torch.uint8).numpy().data if t.numel() else b"")
    return total.hexdigest()
