"""A network from its architecture: the dense one by name, blocks dropped, sliced to its shapes, then initialised afresh.

Initialisation comes after slicing, so that fans are the pruned ones (architecture.md, "Rebuilding for scratch").
"""
from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchbase.errors import BenchError, first_line, unknown
from benchbase.nets import numbers
from benchbase.nets.fit import fit_
from benchbase.nets.fresh import Writes, dense_writes, initialise_, watch
from benchbase.nets.reads import read_, reader
from benchbase.nets.seeded import seed_, seeded
from benchbase.nets.weights import check_weights, digest_of, load_weights_, read_weights
from benchbase.values.architecture import Architecture

__all__ = ["Rebuilt", "build", "check_weights", "load_weights_", "read_weights", "rebuild", "shell"]
Opener = Callable[[Architecture], nn.Module]


@dataclass(frozen=True)
class Rebuilt:
    """A network with fresh weights. guessed: shrunken weights whose initialiser is not known, drawn from a dense net and rescaled."""

    model: nn.Module
    guessed: tuple[str, ...]


def build(architecture: Architecture, seed: int = 0, masks: Mapping[str, Tensor] | None = None,
          model: Callable[[], nn.Module] | None = None, open_model: Opener | None = None) -> nn.Module:
    """The network of `architecture` with fresh weights: the same bits for the same seed, drawn from no global generator.

    masks: parameter -> bool tensor, needed where the architecture has masks.  model: a function without arguments that makes the
    dense network; open_model: the same from the architecture, by name.  Raises BenchError for what is missing or does not fit.
    """
    made = rebuild(architecture, seed, masks, model, open_model)
    if made.guessed:
        warnings.warn(f"{architecture.model}: the initialiser of {len(made.guessed)} weights is not known ({made.guessed[0]}, ...); they are "
                      "drawn from a dense network and rescaled to the smaller fan-in. Give the model init_weights(self, module).", stacklevel=2)
    return made.model


def rebuild(architecture: Architecture, seed: int = 0, masks: Mapping[str, Tensor] | None = None,
            model: Callable[[], nn.Module] | None = None, open_model: Opener | None = None) -> Rebuilt:
    """As `build`, and says which weights had to be guessed."""
    _check_masks(architecture, masks)
    with seeded(seed):
        net, writes = _open(architecture, model, open_model)
        _shrink_(net, architecture)
        _check_runs(net, architecture)
        seed_(seed)
        guessed = initialise_(net, writes)
        _mask_(net, masks or {})
    return Rebuilt(net, guessed)


def shell(architecture: Architecture, model: Callable[[], nn.Module] | None = None, open_model: Opener | None = None) -> nn.Module:
    """The network of `architecture` with weights of no meaning, to load a state_dict into."""
    with seeded(0):
        net, _ = _open(architecture, model, open_model)
        _shrink_(net, architecture)
    return net


def _open(architecture: Architecture, model: Callable[[], nn.Module] | None, open_model: Opener | None) -> tuple[nn.Module, Writes]:
    """The dense network with blocks dropped, and how it was initialised."""
    if isinstance(model, nn.Module):
        raise BenchError("build needs a function that makes the dense network, and got a network", "give model=lambda: Net()")
    if model is None and open_model is None:
        raise BenchError(f"the dense network {architecture.model!r} cannot be made by name here", "give model=a function that makes it")
    with watch() as seen:
        net = model() if model is not None else open_model(architecture)  # type: ignore[misc]
    if not isinstance(net, nn.Module):
        raise BenchError(f"{architecture.model!r} gave {type(net).__name__}, not a torch.nn.Module", "return the dense network")
    if seen.loaded:
        raise BenchError(f"{architecture.model!r} comes with trained weights", "give a function that makes it with fresh ones (weights=None)")
    writes = dense_writes(net, seen)
    if architecture.dropped:
        from benchbase.nets.surgery import drop_

        drop_(net, architecture.dropped)
    for name, indices in architecture.selects.items():
        _select_(net, name, indices)
    return net, writes


def _shrink_(net: nn.Module, architecture: Architecture) -> None:
    """Cut every tensor to its shape in the architecture (leading entries: the values are replaced later) and fix its module."""
    tensors = dict(net.named_parameters(remove_duplicate=False)) | dict(net.named_buffers(remove_duplicate=False))
    cut: dict[int, Tensor] = {}  # tied tensors stay tied
    before: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    counts: dict[str, int] = {}  # numbers of modules that count channels
    for name, shape in architecture.shapes.items():
        if name not in tensors and len(shape) == 1 and _is_number(net, name):
            if shape[0] > numbers.number(net, name):
                raise _larger(architecture, name, shape, (numbers.number(net, name),))
            counts[name] = shape[0]
            continue
        if name not in tensors:
            error = unknown("tensor", name, tensors)
            raise BenchError(f"the architecture does not fit {architecture.model}: it has no {name!r}", error.todo)
        old = tensors[name]
        if len(shape) != old.dim() or any(n > d for n, d in zip(shape, old.shape)):
            raise _larger(architecture, name, shape, tuple(old.shape))
        if id(old) not in cut:
            part = old.detach()[tuple(slice(0, n) for n in shape)].clone()
            cut[id(old)] = nn.Parameter(part, old.requires_grad) if isinstance(old, nn.Parameter) else part
        head, _, tail = name.rpartition(".")
        module = net.get_submodule(head)
        own: dict[str, Any] = module._parameters if tail in module._parameters else module._buffers
        own[tail] = cut[id(old)]
        before[head][tail] = tuple(old.shape)
    for head, shapes in before.items():
        fit_(net.get_submodule(head), shapes)
    for name, count in counts.items():
        numbers.set_(net, name, count)


def _larger(architecture: Architecture, name: str, shape: tuple[int, ...], dense: tuple[int, ...]) -> BenchError:
    return BenchError(f"the architecture does not fit {architecture.model}: {name!r} is {shape}, the dense one {dense}",
                      "use it with the model it was pruned from")


def _is_number(net: nn.Module, name: str) -> bool:
    try:
        return numbers.number(net, name) > 0
    except (AttributeError, IndexError, TypeError):
        return False


def _select_(net: nn.Module, name: str, indices: tuple[int, ...]) -> None:
    """Put back what a gather reads: into the buffer of one that the model has, or as a gather within a layer."""
    try:
        index = dict(net.get_submodule(name).named_buffers(recurse=False)).get("index")
        size = len(index) if index is not None else reader(net, name).weight.shape[1]
    except (AttributeError, BenchError):
        raise BenchError(f"the architecture does not fit: {name!r} is no gather of the model", "use it with the model it was pruned from") from None
    if indices and max(indices) >= size:
        raise BenchError(f"the architecture does not fit: {name!r} has no channel {max(indices)}", "use it with the model it was pruned from")
    if index is None:
        read_(net, {name: indices})
    else:
        net.get_submodule(name)._buffers["index"] = torch.tensor(indices, dtype=index.dtype)


def _check_runs(net: nn.Module, architecture: Architecture) -> None:
    """One empty batch through the cut network: shapes that fit each tensor may still not fit each other."""
    if not architecture.shapes:
        return
    modes = [(m, m.training) for m in net.modules()]
    try:
        with torch.no_grad():
            net.eval()(torch.zeros(1, *architecture.shape))
    except Exception as error:  # noqa: BLE001 -- any failure means that it does not fit
        why = first_line(error) or type(error).__name__
        raise BenchError(f"the architecture does not fit {architecture.model}: the cut network does not run on {tuple(architecture.shape)} ({why})",
                         "use it with the model it was pruned from") from None
    finally:
        for module, training in modes:
            module.training = training


def _check_masks(architecture: Architecture, masks: Mapping[str, Tensor] | None) -> None:
    if architecture.masks and not masks:
        raise BenchError("the architecture has weight masks and none were given", "give masks=read_weights('masks.safetensors')")
    if masks and not architecture.masks:
        raise BenchError("masks were given and the architecture has none", "leave masks out")
    if masks and digest_of(masks) != architecture.masks:
        raise BenchError("the masks are not those of the architecture", "give the masks.safetensors that stands beside architecture.json")


def _mask_(net: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Zero what the masks leave out, and widen what stays: std = sqrt(2/n) with n = nonzero weights / in_channels where the dense
    initialiser has n = all weights / in_channels (the authors' unstructured scratch runs), that is times sqrt(all / nonzero)."""
    parameters = dict(net.named_parameters())
    with torch.no_grad():
        for name, mask in masks.items():
            weight = parameters.get(name)
            if weight is None or weight.shape != mask.shape:
                raise BenchError(f"the mask of {name!r} does not fit the network", "give the masks.safetensors that stands beside architecture.json")
            if weight.dim() > 1:
                weight.mul_((mask.numel() / max(int(mask.sum()), 1)) ** 0.5)
            weight.mul_(mask.to(weight.device))
