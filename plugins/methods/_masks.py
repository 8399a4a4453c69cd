"""Masks over single weights: which weights there are, and one bar for the scores of all of them. No torch is loaded with it."""
from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from benchbase import BenchError

if TYPE_CHECKING:
    from torch import Tensor


def weights_of(net: Any, linear: bool = False) -> dict[str, Tensor]:
    """The weights of all convolutions (linear: and of all linear layers) by parameter name, in the order they run. Not copies.

    Raises BenchError, kind "not_applicable", where there are none.
    """
    own = dict(net.model.named_parameters())
    names = [name for name in dict.fromkeys(name for name, _ in net.trace.positions) if name in own]
    found = {name: own[name].detach() for name in names if linear or own[name].dim() > 2}
    if not found:
        raise BenchError("the network has no convolutions, and their weights are what is pruned",
                         "let linear layers count too (linear=true), or use another method",
                         kind="not_applicable")
    return found


def above(scores: Mapping[str, Tensor], ratio: float, per_layer: bool = False) -> dict[str, Tensor]:
    """Masks of the scores that lie strictly above the bar: of n scores in ascending order the entry int(n * ratio).

    One bar for all of them; per_layer: one for each. int() of a decimal product: 29 of 100 at 0.29.
    """
    import torch

    if per_layer:
        return {name: score > bar(score.flatten(), ratio) for name, score in scores.items()}
    at = bar(torch.cat([score.flatten() for score in scores.values()]), ratio)
    return {name: score > at for name, score in scores.items()}


def bar(scores: Tensor, ratio: float) -> Tensor:
    """The entry int(n * ratio) of the n scores in ascending order, without sorting them."""
    return scores.kthvalue(int(len(scores) * Decimal(str(ratio))) + 1).values


def top(scores: Tensor, count: int) -> Tensor:
    """The mask of the `count` largest scores; of equal ones the later."""
    import torch

    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[scores.flatten().argsort(stable=True)[scores.numel() - count:]] = True
    return mask.reshape(scores.shape)


def rescue(net: Any, masks: Mapping[str, Tensor], scores: Mapping[str, Tensor]) -> None:
    """Let a layer that would lose every weight keep the one of the largest score, and name the layer in the report."""
    for name, mask in masks.items():
        if not mask.any():
            mask.view(-1)[int(scores[name].argmax())] = True
            net.rescued.append(name.removesuffix(".weight"))


def shares(budget: Any, who: str) -> None:
    """Raise BenchError, kind "not_applicable", for a budget that says itself how much of each layer goes, or speaks of channels."""
    if budget.scope == "inner":
        raise BenchError(f"{who} prunes single weights, which have no scope", "leave out scope", kind="not_applicable")
    if budget.ratio is None and budget.macs is None and budget.params is None:
        raise BenchError(f"{who} decides how much each layer loses; the budget {budget.label} says it already", "give a number, macs= or params=",
                         kind="not_applicable")
