"""Zero, slice, mask: what is done to a network once a choice is made. In place; the caller owns the copy."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from benchbase.errors import BenchError
from benchbase.nets import numbers
from benchbase.nets.fit import fit_
from benchbase.nets.net import private_copy
from benchbase.nets.shortcut import drop_

if TYPE_CHECKING:
    from benchbase.nets.groups import Group

__all__ = ["cut_copy", "drop_", "mask_", "slice_", "zero_"]


def zero_(model: nn.Module, group: Group, gone: Sequence[int]) -> None:
    """Zero these channels of the group in every parameter that holds them: producers, norms and consumers.

    The full-size network then computes what the sliced one does: no reader of the group lets them through.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for use in group.uses:
            weight = parameters.get(use.tensor)
            if weight is not None:
                weight.index_fill_(use.dim, torch.as_tensor(use.at[list(gone)].reshape(-1), device=weight.device), 0)


def slice_(model: nn.Module, groups: Sequence[Group], kept: Mapping[str, Sequence[int]]) -> None:
    """Cut every parameter and buffer down to the channels kept of each group, and make the layers say so.

    kept: group -> indices that stay; a group that is not named stays whole. Tied tensors stay tied.
    """
    lost: dict[str, dict[int, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        gone = np.setdiff1d(np.arange(group.width), np.asarray(kept.get(group.name, range(group.width)), dtype=np.int64))
        for use in group.uses if len(gone) else ():
            lost[use.tensor][use.dim].append(use.at[gone].reshape(-1))
    counts = numbers.left(model, groups, {g.name: g.width - len(kept[g.name]) for g in groups if g.name in kept})
    places = _places(model)
    touched: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    for name, dims in lost.items():
        old = _tensor(model, name)
        new = old.detach()
        for dim, entries in dims.items():
            stay = np.setdiff1d(np.arange(new.shape[dim]), np.concatenate(entries))
            new = new.index_select(dim, torch.as_tensor(stay, device=new.device))
        new = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
        for place in places[id(old)]:
            path, _, leaf = place.rpartition(".")
            touched[path][leaf] = tuple(old.shape)
            _put(model, place, new)
    for path, before in touched.items():
        fit_(model.get_submodule(path), before)
    for name, count in counts.items():
        numbers.set_(model, name, count)


def cut_copy(model: nn.Module, groups: Sequence[Group], kept: Mapping[str, Sequence[int]]) -> nn.Module:
    """A private copy with `slice_` done to it. What is cut is never copied whole, so that a large network is not there once more.

    groups: of which each loses a channel at least.
    """
    replaced = [_tensor(model, use.tensor) for group in groups for use in group.uses]
    small = private_copy(model, {t: t for t in replaced})
    slice_(small, groups, kept)
    return small


def mask_(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Zero the weights that a mask leaves out (False). Raises BenchError for a mask of no parameter or of another shape."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    with torch.no_grad():
        for name, mask in masks.items():
            weight = parameters.get(name)
            if weight is None or weight.shape != mask.shape:
                raise BenchError(f"the mask of {name!r} does not fit the network", "use the masks that were made for it")
            weight.masked_fill_(~mask.to(weight.device), 0)


def _places(model: nn.Module) -> dict[int, list[str]]:
    """Every name of each tensor, tied ones included."""
    places: dict[int, list[str]] = defaultdict(list)
    for name, tensor in (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)):
        places[id(tensor)].append(name)
    return places


def _tensor(model: nn.Module, name: str) -> Tensor:
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    return module._parameters[leaf] if leaf in module._parameters else module._buffers[leaf]  # type: ignore[return-value]


def _put(model: nn.Module, name: str, tensor: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    module = model.get_submodule(path)
    own: dict[str, Any] = module._parameters if leaf in module._parameters else module._buffers
    own[leaf] = tensor
