"""From a choice to the smaller network, and the proof that it computes the same as the full one with the lost channels zeroed."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchbase.errors import BenchError, raised
from benchbase.nets.cost import cost
from benchbase.nets.graph import Trace, read
from benchbase.nets.net import Net, private_copy
from benchbase.nets.reads import ignore_, read_, renumbered
from benchbase.nets.shortcut import silence_
from benchbase.nets.surgery import cut_copy, drop_, mask_, zero_
from benchbase.values.cost import Cost
from benchbase.values.selection import Selection

EQUIVALENT = 1e-4  # largest difference of zeroed and sliced networks, in units of the largest logit (at least 1)


@dataclass(frozen=True)
class Chosen:
    """A verified selection, and the private copy it was made on."""

    net: Net
    selection: Selection


@dataclass(frozen=True)
class Small:
    """A cut network in eval mode.  equivalence: largest difference of its outputs and the zeroed full network's."""

    model: nn.Module
    cost: Cost
    equivalence: float


def sliced(chosen: Chosen, example: Any) -> tuple[nn.Module, Trace]:
    """A cut copy of the chosen network, and the trace that counts it."""
    trace, kept = chosen.net.trace, chosen.selection.kept
    shrunk = [g for g in chosen.net.groups if len(kept[g.name]) < g.width]
    small = cut_copy(chosen.net.model, shrunk, kept)
    if chosen.selection.dropped:
        drop_(small, chosen.selection.dropped)
        trace = read(small, example)
    read_(small, renumbered(chosen.selection.reads, shrunk, kept))
    if chosen.selection.masks:
        mask_(small, chosen.selection.masks)
    return small, trace


def cut_as(selection: Selection, model: nn.Module, trace: Trace, example: Any) -> nn.Module:
    """A copy of `model` cut, masked and without its dropped blocks as `selection` says. trace: of a network of its architecture."""
    net = Net(model, trace, torch.Generator(), tuple(g for g in trace.groups if g.name in selection.kept))
    return sliced(Chosen(net, selection), example)[0]


def cut(chosen: Chosen, example: Any) -> Small:
    """The sliced network, after it computed what the zeroed full-size one computes and ran in train mode."""
    small, trace = sliced(chosen, example)
    full, kept = private_copy(chosen.net.model), chosen.selection.kept
    if chosen.selection.dropped:
        silence_(full, chosen.selection.dropped)
    for g in chosen.net.groups:
        if len(kept[g.name]) < g.width:
            stay = set(kept[g.name])
            zero_(full, g, [c for c in range(g.width) if c not in stay])
    ignore_(full, chosen.selection.reads)
    if chosen.selection.masks:
        mask_(full, chosen.selection.masks)
    wanted, difference = outputs(full, example), 0.0
    try:
        given = outputs(small, example)
        _trains(small, full, example)
    except Exception as error:
        raise BenchError(f"the cut network does not run: {raised(error)}",
                         "a size is written into the model's code: `bench explain` shows the groups; leave that one whole",
                         kind="not_applicable") from error
    for a, b in zip(wanted, given, strict=True):
        scale = max(1.0, float(a.abs().max())) if a.numel() else 1.0
        gap = float((a - b).abs().max()) if a.shape == b.shape and a.numel() else 0.0 if a.shape == b.shape else float("inf")
        if not gap <= EQUIVALENT * scale:
            raise BenchError(f"the cut network computes something else: logits differ by {gap:.3g} (scale {scale:.3g})",
                             "an operation mixes channels in a way the graph does not know: report the model", kind="not_applicable")
        difference = max(difference, gap)
    small.eval()
    return Small(small, cost(trace, dict(small.named_parameters())), difference)


def _trains(small: nn.Module, full: nn.Module, example: Any) -> None:
    """Raise what the cut network raises in train mode, unless the full one raises there too."""
    pair = tuple(torch.cat([x, x]) for x in example) if isinstance(example, (tuple, list)) else (torch.cat([example[:2]] * 2),)
    try:
        with torch.no_grad():
            private_copy(small).train()(*pair)
    except Exception:
        with torch.no_grad():
            try:
                private_copy(full).train()(*pair)
            except Exception:  # noqa: BLE001 -- then it is no fault of the cut
                return
        raise


def outputs(model: nn.Module, example: Any) -> list[Tensor]:
    """Every floating tensor the model gives in eval mode; its modes are put back."""
    modes = [(m, m.training) for m in model.modules()]
    try:
        with torch.no_grad():
            out = model.eval()(*(example if isinstance(example, (tuple, list)) else (example,)))
    finally:
        for module, training in modes:
            module.training = training
    return [t for t in pytree.tree_leaves(out) if isinstance(t, Tensor) and t.is_floating_point()]
