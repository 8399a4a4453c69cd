"""Soft filter pruning: filters set to zero after every epoch, free to grow back (He et al., IJCAI 2018)."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchbase import BenchError, Budget, Callback, Method, Selection, hookimpl

from ._scores import filter_norms, largest


@dataclass(frozen=True)
class ZeroSmallest(Callback):
    """After each epoch the filters of smallest L2 norm are zero, as many of each group as `budget` removes (algorithm 1).

    Only weights of filters are set, as in the authors' code: norms, momentum and the filters' gradients go on, so that they may return.
    """

    budget: Budget
    _net: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def start(self, net: Any) -> None:
        """Remember whose channels they are."""
        if not hasattr(net, "groups"):
            raise BenchError("soft-filter must know the channels of the network it trains", "train it with `bench run`")
        self._net[:] = [net]

    def after_epoch(self, model: Any, epoch: int) -> None:
        """Zero the smallest filters of every group, in each layer that writes it."""
        import torch

        [net] = self._net
        with torch.no_grad():
            for group in net.groups:
                if self.budget.keep(group) < group.width:
                    kept = largest(filter_norms(net, group, 2), self.budget.keep(group))
                    gone = sorted(set(range(group.width)) - set(kept))
                    for use, layer in net.writers(group):
                        layer.weight.index_fill_(use.dim, torch.as_tensor(use.at[gone].reshape(-1), device=layer.weight.device), 0)


@dataclass(frozen=True)
class SoftFilter(Method):
    """Trains with the smallest filters (L2 norm) zeroed after each epoch, and in the end keeps the largest.

    What is zero after the last epoch is what goes. A filter is the one that first writes the channel; where several layers write it
    (scope: all), they are zeroed together. Each budget trains a network of its own.
    """

    name: ClassVar[str] = "soft-filter"
    paper: ClassVar[str] = "He, Kang, Dong, Fu, Yang. Soft Filter Pruning for Accelerating Deep CNNs. IJCAI 2018, arXiv:1808.06866, algorithm 1"

    def training(self, budget: Any) -> Callback:
        """The budget is part of the training."""
        return ZeroSmallest(budget)

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The filters with the largest L2 norm of each group, as many as the budget keeps."""
        return Selection({g.name: largest(filter_norms(net, g, 2), budget.keep(g)) for g in net.groups})


@hookimpl
def bench_methods() -> list[type]:
    return [SoftFilter]
