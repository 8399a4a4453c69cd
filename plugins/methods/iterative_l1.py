"""Iterative L1-norm pruning: some filters go, the network is fine-tuned, more go (Li et al., ICLR 2017, section 3.4)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from benchbase import Method, Selection, hookimpl

from ._scores import at_least, filter_norms, largest


@dataclass(frozen=True)
class IterativeL1(Method):
    """l1-norm in `steps` steps: before each but the first the network is fine-tuned for `epochs` epochs with what has gone held at zero,
    and filters are ranked again by the weights that it has then. The trainings count in the ledger.

    path: widths on the way from w to k after step i of n. "geometric": round(w (k / w)^(i / n)), the same share of what is left in each
    step; "linear": w - floor((w - k) i / n), the same number.
    """

    steps: int = 5
    epochs: int = 1
    path: Literal["geometric", "linear"] = "geometric"

    name: ClassVar[str] = "iterative-l1"
    tunes: ClassVar[bool] = True
    paper: ClassVar[str] = "Li, Kadav, Durdanovic, Samet, Graf. Pruning Filters for Efficient ConvNets. ICLR 2017, arXiv:1608.08710"

    def __post_init__(self) -> None:
        at_least(self, steps=2, epochs=1)

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """What is left after the last step; the copy's weights are the fine-tuned ones."""
        kept = {g.name: tuple(range(g.width)) for g in net.groups}
        for step in range(1, self.steps + 1):
            for group in net.groups:
                stay = kept[group.name]
                best = largest(filter_norms(net, group, 1)[list(stay)], self.width(group.width, budget.keep(group), step))
                kept[group.name] = tuple(stay[i] for i in best)
            if step < self.steps:
                net.tune(self.epochs, kept)
        return Selection(kept)

    def width(self, whole: int, end: int, step: int) -> int:
        """Channels that stay after this step of a group that goes from `whole` to `end`."""
        if self.path == "linear":
            return whole - (whole - end) * step // self.steps
        return end if step == self.steps else round(whole * (end / whole) ** (step / self.steps))


@hookimpl
def bench_methods() -> list[type]:
    return [IterativeL1]
