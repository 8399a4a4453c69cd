"""The control of every structured row: random channels with the same widths."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchbase import Method, Selection, hookimpl


@dataclass(frozen=True)
class Random(Method):
    """Keeps channels drawn uniformly without replacement, as many as the budget says; no weight and no image is looked at."""

    name: ClassVar[str] = "random"
    paper: ClassVar[str] = "a control: any method should beat it at the same widths"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """Random channels of each group, drawn from `net.generator` alone."""
        import torch

        return Selection({g.name: tuple(sorted(torch.randperm(g.width, generator=net.generator)[:budget.keep(g)].tolist())) for g in net.groups})


@hookimpl
def bench_methods() -> list[type]:
    return [Random]
