"""FPGM: remove the filters nearest to the geometric median of their layer, which the others can stand in for (He et al., CVPR 2019)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchbase import Callback, Method, Selection, hookimpl

from ._soft import ZeroSmallest, kept_by


@dataclass(frozen=True)
class Fpgm(Method):
    """A filter's score is the sum of its Euclidean distances to all filters of its layer (section 3.3); the smallest sums go.

    soft: zero these filters after each epoch of training, as in the paper's algorithm 1; false: choose once on the trained network, which
    all budgets then share. The paper's other knob, a share of filters removed by norm, is 0, as in its "only FPGM" rows.
    """

    soft: bool = False

    name: ClassVar[str] = "fpgm"
    paper: ClassVar[str] = "He, Liu, Wang, Hu, Yang. Filter Pruning via Geometric Median for Deep CNN Acceleration. CVPR 2019, arXiv:1811.00250"

    def training(self, budget: Any) -> Callback | None:
        """With `soft`, the most replaceable filters zeroed after each epoch."""
        return ZeroSmallest(budget, "distance") if self.soft else None

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The filters with the largest sum of distances of each group, as many as the budget keeps."""
        return Selection({g.name: kept_by("distance", net, g, budget.keep(g)) for g in net.groups})


@hookimpl
def bench_methods() -> list[type]:
    return [Fpgm]
