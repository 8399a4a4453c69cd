"""Magnitude pruning: the smallest weights of the whole network go (Han et al., NeurIPS 2015)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import BenchError, Method, Selection, hookimpl

from ._masks import above, rescue, shares, weights_of
from ._reported import Reported
from ._scores import at_least

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Magnitude(Method):
    """Single weights by |w|, one threshold for all convolutions: of n values in ascending order the entry int(ratio * n), and only what
    is larger stays, as in the scripts of Liu et al. (ICLR 2019). Biases, norms and linear layers are left alone.

    linear: linear layers too.  per_layer: a threshold for each layer, as Han et al. set them.
    steps: rounds of pruning, with `epochs` epochs of fine-tuning under the masks after each but the last (Han et al., section 3.3); each
    takes the same part of what is left, 1 - (1 - ratio)^(1 / steps). The trainings count in the ledger, with weights that stay; a macs=
    or params= budget tries several ratios, each with all its rounds.  rewind: between rounds the weights go back to the base's first ones and
    are trained as the base was instead (iterative magnitude pruning, Frankle and Carbin, ICLR 2019); the `rewind` protocol trains its ticket.
    A layer that would lose every weight keeps its largest, and the report names it.
    """

    linear: bool = False
    per_layer: bool = False
    steps: int = 1
    epochs: int = 1
    rewind: bool = False

    name: ClassVar[str] = "magnitude"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    paper: ClassVar[str] = ("Han, Pool, Tran, Dally. Learning both Weights and Connections for Efficient Neural Networks. NeurIPS 2015, "
                            "arXiv:1506.02626, section 3")
    reported = Reported("magnitude")

    def __post_init__(self) -> None:
        at_least(self, steps=1, epochs=1)
        if self.rewind and self.steps == 1:
            raise BenchError("magnitude[rewind=true] in one round rewinds nothing", "give steps of at least 2")

    @property
    def tunes(self) -> bool:  # type: ignore[override]
        """Whether it fine-tunes between rounds."""
        return self.steps > 1 and not self.rewind

    @property
    def restarts(self) -> bool:  # type: ignore[override]
        """Whether it trains from the beginning between rounds."""
        return self.rewind

    def training(self, budget: Any) -> None:
        """None: the plain base will do, for a budget that speaks of weights."""
        shares(budget, self.name)

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The masks of the largest weights; at least one weight of each layer."""
        shares(budget, self.name)
        for step in range(1, self.steps):
            masks = self.masks(net, 1 - (1 - budget.ratio) ** (step / self.steps))
            if self.rewind:
                net.restart(masks=masks)
            else:
                net.tune(self.epochs, masks=masks)
        return Selection(masks=self.masks(net, budget.ratio))

    def masks(self, net: Any, ratio: float) -> dict[str, Tensor]:
        """The masks at this ratio. What was removed before is zero, and so below every bar."""
        net.rescued.clear()
        sizes = {name: weight.abs() for name, weight in weights_of(net, self.linear).items()}
        masks = above(sizes, ratio, self.per_layer)
        rescue(net, masks, sizes)
        return masks


@hookimpl
def bench_methods() -> list[type]:
    return [Magnitude]
