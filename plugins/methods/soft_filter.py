"""Soft filter pruning: filters set to zero after every epoch, free to grow back (He et al., IJCAI 2018)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchbase import Callback, Method, Selection, hookimpl

from ._soft import ZeroSmallest, kept_by


@dataclass(frozen=True)
class SoftFilter(Method):
    """Trains with the smallest filters (L2 norm) zeroed after each epoch, and in the end keeps the largest (algorithm 1).

    What is zero after the last epoch is what goes. Each budget trains a network of its own: the budget is part of the training. A filter
    is the one that first writes the channel; where several layers write it (scope: all), they are zeroed together.
    """

    name: ClassVar[str] = "soft-filter"
    paper: ClassVar[str] = "He, Kang, Dong, Fu, Yang. Soft Filter Pruning for Accelerating Deep CNNs. IJCAI 2018, arXiv:1808.06866"

    def training(self, budget: Any) -> Callback:
        """The smallest filters zeroed after each epoch, as many as the budget removes."""
        return ZeroSmallest(budget)

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The filters with the largest L2 norm of each group, as many as the budget keeps."""
        return Selection({g.name: kept_by("l2", net, g, budget.keep(g)) for g in net.groups})


@hookimpl
def bench_methods() -> list[type]:
    return [SoftFilter]
