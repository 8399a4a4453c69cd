"""Weights as files and as identities. Only safetensors are read: loading never runs code from a file."""
from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from benchbase.errors import BenchError
from benchbase.values.bounded import json_of

MAX_HEADER = 16 << 20  # names, shapes and types; a network of 1,000 tensors has 0.1 MB
MAX_TENSORS = 100_000
DTYPES = {"BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
          "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


@dataclass(frozen=True)
class Told:
    """What the header of a file says of a tensor; the tensor itself has not been read."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors; the folder's atomicity is the caller's."""
    path.write_bytes(save({name: t.detach().to("cpu").contiguous().clone() for name, t in tensors.items()}))


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. BenchError for a pickle, a truncated file or no file."""
    path = Path(path)
    told = read_header(path)
    try:
        found = load(path.read_bytes())
        if {name: Told(tuple(t.shape), t.dtype) for name, t in found.items()} != told:
            raise ValueError("its tensors are not those of its header")
        return found
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}", "give a .safetensors file that exists") from None
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise _torn(path, error) from None


def read_header(path: str | Path) -> dict[str, Told]:
    """What is in a safetensors file, without reading it: names, shapes, types. BenchError for a pickle, a truncated file or no file.

    The header's length is bounded before it is parsed, and the tensors it tells of fill the file exactly.
    """
    path = Path(path)
    head = b""
    try:
        if not path.is_file():
            raise OSError("it is no plain file" if path.exists() else "there is no such file")
        with path.open("rb") as file:
            size, head = path.stat().st_size, file.read(8)
            length = int.from_bytes(head, "little")
            if len(head) < 8 or length > min(MAX_HEADER, size - 8):
                raise ValueError("its header is not all there" if length <= MAX_HEADER else "its header is too long")
            told = json_of(file.read(length))
        return _told(told, size - 8 - length)
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}", "give a .safetensors file that exists") from None
    except ValueError as error:
        # only now: a safetensors file begins with the length of its header, whose bytes may be those of a pickle's beginning
        if head[:2] == b"PK" or head[:1] == b"\x80":
            raise BenchError(f"{path} is a pickle, which can run code when it is loaded",
                             "save it as safetensors: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')") from None
        raise _torn(path, error) from None


def check_weights(state: Mapping[str, Tensor | Told], model: nn.Module, source: str = "the weights") -> None:
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


def load_file_(model: nn.Module, path: str | Path) -> nn.Module:
    """Load a file whose header says that it fits; of one that does not, no tensor is read. Errors as of `load_weights_`."""
    check_weights(read_header(path), model, str(path))
    return load_weights_(model, read_weights(path), str(path))


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


def _told(header: object, size: int) -> dict[str, Told]:
    """The tensors of a header, which lie in `size` bytes without gaps. Raises ValueError, as for offsets that overlap."""
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise ValueError("its header is no table of tensors")
    found, places = {}, []
    for name, said in header.items():
        if name == "__metadata__":
            continue
        shape, (begin, end) = _numbers(name, said, "shape"), _numbers(name, said, "data_offsets", 2)
        dtype = DTYPES.get(said["dtype"]) if isinstance(said.get("dtype"), str) else None
        if dtype is None or math.prod(shape) * dtype.itemsize != end - begin:
            raise ValueError(f"{name[:60]!r} has no known type, or other bytes than its shape needs")
        found[name] = Told(shape, dtype)
        places.append((begin, end))
    places.sort()
    if [b for b, _ in places] != [0, *(e for _, e in places)][:len(places)] or (places[-1][1] if places else 0) != size:
        raise ValueError("its tensors do not fill it exactly")
    return found


def _numbers(name: str, said: object, key: str, count: int | None = None) -> tuple[int, ...]:
    numbers = said.get(key) if isinstance(said, dict) else None
    if not isinstance(numbers, list) or len(numbers) > 16 or count not in (None, len(numbers)) \
            or not all(type(n) is int and 0 <= n < 2**48 for n in numbers):
        raise ValueError(f"{name[:60]!r} has no {key}")
    return tuple(numbers)


def _torn(path: Path, error: Exception) -> BenchError:
    return BenchError(f"{path} is not a whole safetensors file ({(str(error).splitlines() or [''])[0][:120]})",
                      "it may be truncated: write or copy it again")
