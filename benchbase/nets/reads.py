"""Layers that read some channels of a stream that others share: a gather within the layer itself, so that no name changes."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from benchbase.errors import BenchError, unknown
from benchbase.nets.fit import fit_
from benchbase.nets.groups import Group, Use

if TYPE_CHECKING:
    from benchbase.nets.net import Net

Reads = Mapping[str, Sequence[int]]


class ReadingConv1d(nn.Conv1d):
    """A convolution of the input channels in `reads`."""

    reads: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.index_select(1, self.reads))


class ReadingConv2d(nn.Conv2d):
    """A convolution of the input channels in `reads`."""

    reads: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.index_select(1, self.reads))


class ReadingConv3d(nn.Conv3d):
    """A convolution of the input channels in `reads`."""

    reads: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.index_select(1, self.reads))


class ReadingLinear(nn.Linear):
    """A linear layer on the input features in `reads`."""

    reads: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.index_select(-1, self.reads))


KINDS = {nn.Conv1d: ReadingConv1d, nn.Conv2d: ReadingConv2d, nn.Conv3d: ReadingConv3d, nn.Linear: ReadingLinear}
READING = tuple(KINDS.values())


def reader(model: nn.Module, path: str) -> Any:
    """The layer at `path`, a module with a weight, which can be given a gather.

    Raises BenchError where there is none, and (not_applicable) where it is grouped, of another kind, or shares its weight.
    """
    try:
        layer = model.get_submodule(path) if path else model
    except AttributeError:
        raise unknown("layer", path, [n for n, m in model.named_modules() if type(m) in KINDS]) from None
    if type(layer) not in (*KINDS, *READING) or getattr(layer, "groups", 1) != 1:
        raise BenchError(f"{path} cannot read a part of its input: it is {_kind(layer)}", "name a plain convolution or linear layer",
                         kind="not_applicable")
    if sum(p is layer.weight for m in model.modules() for p in m._parameters.values()) > 1:
        raise BenchError(f"{path} cannot read a part of its input: it shares its weight", "leave its input whole", kind="not_applicable")
    return layer


def read_(model: nn.Module, reads: Reads) -> None:
    """Let each layer read only these of its input channels, numbered as it reads them now; its weight is cut down to them.

    The layer becomes one with a buffer `reads`, in place: parameters keep their names.
    """
    for path, indices in reads.items():
        layer = reader(model, path)
        index = torch.as_tensor(np.asarray(indices, dtype=np.int64), device=layer.weight.device)
        if type(layer) in READING:
            layer.reads = layer.reads[index]
        else:
            layer.__class__ = KINDS[type(layer)]
            layer.register_buffer("reads", index)
        layer.weight = nn.Parameter(layer.weight.detach().index_select(1, index), layer.weight.requires_grad)
        fit_(layer)


def ignore_(model: nn.Module, reads: Reads) -> None:
    """Zero the weights of every other input channel of each layer: it then computes what the one that `read_` makes does."""
    for path, indices in reads.items():
        weight = reader(model, path).weight
        gone = np.setdiff1d(np.arange(weight.shape[1]), np.asarray(indices))
        with torch.no_grad():
            weight.index_fill_(1, torch.as_tensor(gone, device=weight.device), 0)


def renumbered(reads: Reads, groups: Sequence[Group], kept: Reads) -> dict[str, tuple[int, ...]]:
    """The same channels, numbered as their layers see them once `groups` were cut down to `kept`.

    Raises BenchError for a layer that reads a channel which is gone.
    """
    found = {}
    for path, indices in reads.items():
        gone: set[int] = set()
        for group in groups:
            lost = np.setdiff1d(np.arange(group.width), np.asarray(kept[group.name]))
            gone |= {int(i) for use in group.uses if (use.tensor, use.dim) == (f"{path}.weight", 1) for i in use.at[lost].ravel()}
        if both := sorted(gone & set(indices)):
            raise BenchError(f"{path} reads channel {both[0]} of its input, which is removed", "let it read channels that stay", kind="method_error")
        found[path] = tuple(int(i - np.searchsorted(sorted(gone), i)) for i in indices)
    return found


def inputs(model: nn.Module, path: str) -> Group:
    """The input channels of the layer at `path` as a group, PATH.reads, that this layer alone reads."""
    width = reader(model, path).weight.shape[1]
    return Group(f"{path}.reads", width, (Use(f"{path}.weight", 1, np.arange(width)[:, None]),), False, ())


def entrances(net: Net) -> tuple[str, ...]:
    """The first layers of branches: they read a stream that no group in scope cuts, and write channels of one that is inner."""
    written = {use.tensor for g in net.groups if g.inner for use, _ in net.writers(g) if use.dim == 0}
    read = {use.tensor for g in net.groups for use, _ in net.consumers(g)}
    names = [name for name, _ in net.trace.positions]
    first = (written - read) - _of_images(net)
    paths = [name.removesuffix(".weight") for name in names if name in first and names.count(name) == 1]
    return tuple(path for path in paths if _readable(net.model, path))


def _of_images(net: Net) -> set[str]:
    """Weights whose layers have no other layer before them: what they read is no stream of channels."""
    from benchbase.nets.graph import tensor_names

    names, behind, found = tensor_names(net.trace.program, net.model), set(), set()
    weights = {name for name, _ in net.trace.positions}
    for node in net.trace.program.graph.nodes:
        own = {names[a] for a in node.all_input_nodes if a in names} & weights
        if any(a in behind for a in node.all_input_nodes):
            behind.add(node)
        elif own:
            behind.add(node)
            found |= own
    return found


def _readable(model: nn.Module, path: str) -> bool:
    try:
        return reader(model, path) is not None
    except BenchError:
        return False


def _kind(layer: nn.Module) -> str:
    return f"a {type(layer).__name__}" + (f" of {layer.groups} groups" if getattr(layer, "groups", 1) != 1 else "")
