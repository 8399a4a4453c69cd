"""The control of every structured row: random channels with the same widths."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchbase import Method, Selection, hookimpl


@dataclass(frozen=True)
class Random(Method):
    """Keeps channels drawn uniformly without replacement, as many as the budget says; no weight and no image is looked at."""

    name: ClassVar[str] = "random"
    gathers: ClassVar[bool] = True
    paper: ClassVar[str] = "a control: any method should beat it at the same widths"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """Random channels of each group, and of each input that the budget cuts, drawn from `net.generator` alone."""
        import torch

        def draw(width: int, count: int) -> tuple[int, ...]:
            return tuple(sorted(torch.randperm(width, generator=net.generator)[:count].tolist()))
        return Selection({g.name: draw(g.width, budget.keep(g)) for g in net.groups},
                         {path: draw(net.inputs(path).width, count) for path, count in budget.reads.items()})


@hookimpl
def bench_methods() -> list[type]:
    return [Random]
