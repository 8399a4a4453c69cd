"""The control of the distribution over layers: one ratio everywhere, at the multiply-adds of the budget asked."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchbase import Method, Selection, hookimpl


@dataclass(frozen=True)
class Uniform(Method):
    """The same ratio in every layer in scope, with multiply-adds as near as one ratio comes to those that the asked budget leaves.

    A budget that is one ratio already gives the same architecture here as for any other method. Which channels stay is drawn at
    random, blind to weights and images as in `random`: what is compared is the widths.
    """

    name: ClassVar[str] = "uniform"
    paper: ClassVar[str] = "a control: do the chosen widths beat one ratio for all layers at the same multiply-adds?"

    def fit(self, net: Any, budget: Any) -> Any:
        """The asked budget as one ratio for all groups in scope."""
        return net.uniform(budget)

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """Random channels of each group, drawn from `net.generator` alone."""
        import torch

        return Selection({g.name: tuple(sorted(torch.randperm(g.width, generator=net.generator)[:budget.keep(g)].tolist())) for g in net.groups})


@hookimpl
def bench_methods() -> list[type]:
    return [Uniform]
