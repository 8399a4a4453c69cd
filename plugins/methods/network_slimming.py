"""Network slimming: an L1 penalty on the scales of batch norms, then one threshold over all of them (Liu et al., ICCV 2017)."""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import BenchError, Callback, Method, Selection, hookimpl

from ._reported import Reported

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class SparseScales(Callback):
    """Adds penalty * sign(gamma) to the gradient of every batch norm's scales: the subgradient of penalty * sum |gamma| (equation 1).

    As in the authors' code the step is the optimiser's own, with its momentum and weight decay, and a scale of exactly 0 is let be.
    """

    penalty: float

    def after_backward(self, model: nn.Module) -> None:
        """The loss's gradients are there; the penalty's are added."""
        for norm in batch_norms(model):
            if norm.weight.grad is not None:
                norm.weight.grad.add_(norm.weight.detach().sign(), alpha=self.penalty)


@dataclass(frozen=True)
class NetworkSlimming(Method):
    """Trains with an L1 penalty on all batch-norm scales gamma, then keeps the channels whose |gamma| lies above one threshold for the
    whole network: the entry int(ratio * n) of the n values in ascending order; equal is not above.

    penalty: lambda of equation 1. The paper has 1e-4 for VGG-19 (the default), 1e-5 for PreResNet-164, DenseNet-40 and the VGG-11 of
    ImageNet: network-slimming[penalty=1e-5]. It touches every batch norm, whatever the budget's scope, so that all budgets share one
    sparse base; fine-tuning and scratch training have none.
    A layer that would lose every channel keeps its largest, and the report names it: the authors' scripts fail there.
    Each value is a channel: of a group that several norms touch (a residual stream without gathers, a depthwise convolution) the largest
    of its scales, so that it goes only when all of them are small; where each norm has a gather or a layer of its own, as in the paper's
    networks, that is the authors' rule. Groups without a batch norm stay whole and do not count.
    """

    penalty: float = 1e-4

    name: ClassVar[str] = "network-slimming"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    paper: ClassVar[str] = ("Liu, Li, Shen, Huang, Yan, Zhang. Learning Efficient Convolutional Networks through Network Slimming. ICCV 2017, "
                            "arXiv:1708.06519, equation 1")
    reported = Reported("network-slimming")

    def __post_init__(self) -> None:
        if not (math.isfinite(self.penalty) and self.penalty >= 0):
            raise BenchError(f"network-slimming[penalty={self.penalty}] makes no sense", "give a penalty of at least 0, as 1e-4; 0 trains without")

    def training(self, budget: Any) -> Callback | None:
        """The penalty, the same for every budget; None without one."""
        _check(budget)
        return SparseScales(self.penalty) if self.penalty else None

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The channels above the threshold; at least one of each group."""
        _check(budget)
        scores = {group.name: score for group in net.groups if (score := scales(net, group)) is not None}
        if not scores:
            raise BenchError("network-slimming reads the scales of batch norms, and no channels in scope have any",
                             "use a network with batch norms, or another method", kind="not_applicable")
        kept = above(scores, budget.ratio)
        for name in (name for name, stay in kept.items() if not stay):
            kept[name] = (int(scores[name].argmax()),)
            net.rescued.append(name)
        return Selection(kept)


def scales(net: Any, group: Any) -> Tensor | None:
    """The largest |gamma| of each channel over the batch norms that touch the group, (width,); None where there are none."""
    import torch

    found = [(norm.weight.detach(), use) for use, norm in net.norms(group) if isinstance(norm, torch.nn.modules.batchnorm._BatchNorm)]
    sizes = [gamma.abs()[torch.as_tensor(use.at, device=gamma.device)].amax(1) for gamma, use in found]
    return torch.stack(sizes).amax(0) if sizes else None


def above(scores: Mapping[str, Tensor], ratio: float) -> dict[str, tuple[int, ...]]:
    """The indices of each group's scores that are larger than the threshold over all of them."""
    import torch

    every = torch.cat(list(scores.values())).sort().values
    threshold = every[int(len(every) * Decimal(str(ratio)))]
    return {name: tuple((score > threshold).nonzero().flatten().tolist()) for name, score in scores.items()}


def batch_norms(model: nn.Module) -> Iterator[nn.Module]:
    """Every batch norm with scales."""
    import torch

    return (m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm) and m.weight is not None)


def _check(budget: Any) -> None:
    if budget.ratio is None and budget.macs is None and budget.params is None:
        raise BenchError(f"network-slimming decides how many channels each layer keeps; the budget {budget.label} says it already",
                         "give a number, macs= or params=", kind="not_applicable")


@hookimpl
def bench_methods() -> list[type]:
    return [NetworkSlimming]
