"""Weights that others trained, as an Architecture of ours with its weights.

Read are: the checkpoints of "Rethinking the Value of Network Pruning" (github.com/Eric-mingjie/rethinking-network-pruning, CIFAR: `pruned.pth.tar`
with {"cfg", "state_dict"} and `checkpoint.pth.tar` with {"epoch", "state_dict", "best_prec1", "optimizer", "cfg"}; l1-norm-pruning's VGG and ResNet,
network-slimming's VGG, PreResNet and DenseNet with their channel_selection layers); and state files of torchvision, timm or of one's own, a plain
state_dict or one under "state_dict", "model", "model_state_dict" or "state_dict_ema". What `cfg` says the shapes say too; it is not needed.

Files are safetensors, or what torch.save wrote, and of the latter only those that torch.load reads with weights_only=True. The rule of the house
is that no pickle is loaded, because loading one runs code that stands in it. This is its one exception: that reader knows tensors and plain
containers, calls nothing that a file names, and refuses all else (torch >= 2.11 here; its known hole, CVE-2025-32434, was closed in 2.6). It is used
when a user imports a file by name, and what it gives is written as safetensors; the store, folders and records are never read by it.
"""
from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchbase.errors import BenchError
from benchbase.nets.exported import reason, runs
from benchbase.nets.gather import ChannelSelect
from benchbase.nets.weights import read_weights
from benchbase.values.architecture import Architecture, architecture_of

NESTED = ("state_dict", "model", "model_state_dict", "state_dict_ema")
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and of torch.compile
RENAMED = (("feature.", "features."), ("downsample.0.", "shortcut."))  # the authors' names, ours
CHOSEN = "indexes"  # of the authors' channel_selection: 1 where a channel is read, 0 where not


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a file of weights, by name, on the CPU. BenchError for a file that is none, or holds more than tensors and plain values."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(2)
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}", "give a file of weights that exists") from None
    if head not in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return read_weights(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 -- a file of others may make the reader raise anything
        why = reason(error).partition("Please file")[0][:200]
        raise BenchError(f"{path} cannot be read as weights alone ({why})",
                         "where it comes from, save model.state_dict() with safetensors.torch.save_file, and import that") from None
    return _tensors_of(told, path)


def fitted(state: Mapping[str, Tensor], model: nn.Module, dense: Architecture, source: str) -> tuple[Architecture, dict[str, Tensor]]:
    """The architecture that foreign weights are of, and the weights under our names.

    model: the dense network of `dense`, which says what there is; shapes may be smaller than its.  BenchError naming the first tensor that is
    missing, left over, larger, of another dimension, or not finite.
    """
    whole = model.state_dict()
    named = _renamed(state, whole)
    selects = _selected_(named, model)
    for name, tensor in whole.items():
        if name not in named and name.endswith("num_batches_tracked"):  # older torch kept none
            named[name] = tensor.clone()
    if missing := next((name for name in whole if name not in named), None):
        raise _unfit(source, dense, f"{missing!r} is missing")
    if extra := next((name for name in named if name not in whole), None):
        raise _unfit(source, dense, f"it has no {extra!r}")
    shapes = {}
    for name, tensor in sorted(named.items()):
        wanted = whole[name]
        if tensor.dim() != wanted.dim() or any(n > most for n, most in zip(tensor.shape, wanted.shape)) or 0 in tensor.shape:
            raise _unfit(source, dense, f"{name!r} is {tuple(tensor.shape)}, the dense one {tuple(wanted.shape)}")
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise BenchError(f"{source} holds nan or infinity in {name[:60]!r}", "import weights of a training that has not diverged")
        if tensor.shape != wanted.shape:
            shapes[name] = tuple(tensor.shape)
    found = architecture_of(replace(dense, shapes=shapes, selects=selects).to_json())
    return found, {name: named[name].to(whole[name].dtype) for name in whole}


def _tensors_of(told: Any, path: Path) -> dict[str, Tensor]:
    """The tensors in what a file held: of itself, or of the part that is usually called so."""
    if isinstance(told, Mapping):
        told = next((told[key] for key in NESTED if isinstance(told.get(key), Mapping)), told)
        found = {name: t for name, t in told.items() if isinstance(name, str) and isinstance(t, Tensor)}
        if odd := next((name for name, t in found.items() if t.layout != torch.strided or t.is_quantized), None):
            raise BenchError(f"{path}: {odd[:60]!r} is no plain tensor", "import weights that are neither sparse nor quantized")
        if found:
            return {name: t.detach() for name, t in found.items()}
    raise BenchError(f"{path} holds no weights by name", f"give a state_dict, alone or under one of {', '.join(NESTED)}")


def _renamed(state: Mapping[str, Tensor], whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names of the network, as far as they are known."""
    named = dict(state)
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in named):
            named = {name.removeprefix(prefix): t for name, t in named.items()}
    for theirs, ours in RENAMED:
        renamed = {name: f".{name}".replace(f".{theirs}", f".{ours}")[1:] for name in named if name not in whole}
        named = {new if (new := renamed.get(name, name)) in whole else name: t for name, t in named.items()}
    return named


def _selected_(named: dict[str, Tensor], model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Put the authors' selections into gathers, and cut the norm that follows: theirs normalises all channels and then selects, which is the same."""
    selects, modules = {}, list(model.named_modules())
    for place, (path, gather) in enumerate(modules):
        if not isinstance(gather, ChannelSelect):
            continue
        size, chosen = len(gather.index), named.pop(f"{path}.{CHOSEN}", None)
        if chosen is not None and chosen.shape == (size,):
            named[f"{path}.index"] = chosen.nonzero().flatten()
            norm = next((name for name, m in modules[place:] if isinstance(m, nn.modules.batchnorm._BatchNorm)), "")
            for name in (f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")):
                if name in named and named[name].shape == (size,):
                    named[name] = named[name][named[f"{path}.index"]]
        index = named.setdefault(f"{path}.index", gather.index.clone())
        if index.dim() == 1 and len(index) < size:
            selects[path] = tuple(map(int, index))
    return selects


def check_outputs(model: nn.Module, example: Tensor, architecture: Architecture, source: str) -> None:
    """Raise BenchError unless the network runs, and has an output a class: a last layer of fewer rows is no pruned one."""
    runs(model, example)
    with torch.no_grad():
        made = model.eval()(example)
    made = made[0] if isinstance(made, (tuple, list)) else made
    if tuple(made.shape) != (len(example), architecture.num_classes):
        raise _unfit(source, architecture, f"its outputs are {tuple(made.shape[1:])}")


def _unfit(source: str, dense: Architecture, why: str) -> BenchError:
    return BenchError(f"{source} does not fit {dense.model} for {dense.num_classes} classes: {why[:200]}",
                      "name the model, the classes and the images that it was trained for with --model, --classes and --shape, or --dataset")
