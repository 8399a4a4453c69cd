"""Regression: LASSO picks channels, least squares restores the next layer's output (He, Zhang and Sun, ICCV 2017)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import BenchError, Budget, Method, Selection, hookimpl

from ._images import first_images
from ._reported import Reported

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Regression(Method):
    """Layer by layer, inputs from the pruned network and targets from the dense one: a LASSO on one coefficient a channel chooses, then
    the kept kernels are fitted anew (equations 1 to 3, each step once as in section 3.1).

    images: training images to sample from.  positions: output positions sampled on each (10 in the paper, on 5000 images).
    ridge: weight of the kernels' squared change in the refit, in units of the mean squared length of what a filter reads; it counts where
    samples are few, and 0 is plain least squares.  reads: fraction of the stream that the first layer of each branch does not read,
    through a gather (section 3.3); 0 leaves it whole.

    Open in the paper, and settled here: kernels enter the LASSO as they are trained, as in the authors' code; errors count after the
    batch norm that follows a layer, as where it is merged into the layer; a constant is fitted too where the layer has a bias or such
    a norm. Where several layers read a group, the first decides and each is refitted; a group that no convolution or linear layer
    reads directly keeps its largest filters (L1). The last layer of a branch also makes up for what its shortcut has lost, where
    nothing but a batch norm stands between it and the addition.
    """

    images: int = 256
    positions: int = 10
    ridge: float = 0.1
    reads: float = 0.0

    name: ClassVar[str] = "regression"
    gathers: ClassVar[bool] = True
    paper: ClassVar[str] = "He, Zhang, Sun. Channel Pruning for Accelerating Very Deep Neural Networks. ICCV 2017, arXiv:1707.06168"
    reported = Reported("regression")

    def __post_init__(self) -> None:
        for field in ("images", "positions"):
            if getattr(self, field) < 1:
                raise BenchError(f"regression[{field}={getattr(self, field)}] makes no sense", f"give {field} of at least 1")
        if not 0 <= self.ridge < float("inf"):
            raise BenchError(f"regression[ridge={self.ridge}] makes no sense", "give a ridge of 0 or more")
        if not 0 <= self.reads < 1:
            raise BenchError(f"regression[reads={self.reads}] makes no sense", "give the fraction that is not read, 0 or more and below 1")

    def fit(self, net: Any, budget: Any) -> Any:
        """The budget, with how much of the stream each branch's first layer reads."""
        if not self.reads or budget.reads:
            return budget
        share = Budget(ratio=self.reads)
        counts = {path: share.keep(net.inputs(path)) for path in net.entrances()}
        if not counts:
            raise BenchError(f"regression[reads={self.reads}]: the network has no branch that reads a shared stream", "leave reads out",
                             kind="not_applicable")
        return replace(budget, reads={path: max(count, 1) for path, count in counts.items()})

    def select(self, net: Any, data: Iterable[tuple[Tensor, Tensor]], budget: Any) -> Selection:
        """The channels that stay, and those that branches read; the kernels that read them are fitted anew in `net.model`."""
        wanted = {g: budget.keep(g) for g in net.groups if budget.keep(g) < g.width}
        entrances = {net.inputs(path): path for path in budget.reads}
        wanted |= {g: budget.reads[path] for g, path in entrances.items() if budget.reads[path] < g.width}
        kept, reads = {}, {path: tuple(range(g.width)) for g, path in entrances.items()}
        for step in net.walk(first_images(data, self.images, self.name), groups=list(wanted), dense=True):
            self.prune(step, wanted[step.group])
            if step.group in entrances:
                reads[entrances[step.group]] = step.kept
            else:
                kept[step.group.name] = step.kept
        return Selection(kept, reads)

    def prune(self, step: Any, keep: int) -> None:
        """Choose at the group's first reader; refit at every one."""
        from ._lasso import fit

        if step.use is None:
            size = step.net.filters(step.group).abs().sum(1)
            return step.keep(size.argsort(descending=True, stable=True)[:keep].tolist())
        found = fit(step, keep, self.positions, self.ridge)
        step.keep(found.kept, weight=found.weight)
        if step.shifts:
            step.shift(found.shift)
        return None


@hookimpl
def bench_methods() -> list[type]:
    return [Regression]
