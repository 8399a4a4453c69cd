"""L1-norm filter pruning: keep the filters with the largest sum of absolute weights (Li et al., ICLR 2017)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchbase import Method, Selection, hookimpl

from ._reported import Reported
from ._scores import filter_norms, largest


@dataclass(frozen=True)
class L1Norm(Method):
    """A channel's score is the sum of |w| over the filter that first writes it (its group's first producer); of what a gather picks from
    a shared stream, over the kernels that read it there. One shot, no data.

    Of equal scores the later channel stays, as with the authors' reversed ascending sort; sums are taken in double precision, so
    that no order of summation decides. Named budgets of the paper's tables: vgg16-a, resnet56-a, resnet56-b, resnet110-a, ...
    """

    name: ClassVar[str] = "l1-norm"
    paper: ClassVar[str] = "Li, Kadav, Durdanovic, Samet, Graf. Pruning Filters for Efficient ConvNets. ICLR 2017, arXiv:1608.08710"
    reported = Reported("l1-norm")

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The largest filters of each group, as many as the budget keeps."""
        return Selection({g.name: largest(filter_norms(net, g, 1), budget.keep(g)) for g in net.groups})


@hookimpl
def bench_methods() -> list[type]:
    return [L1Norm]
