"""LAMP: magnitude, each weight against what is left of its layer when it goes (Lee et al., ICLR 2021)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import Method, Selection, hookimpl

from ._masks import above, rescue, shares, weights_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Lamp(Method):
    """score(u) = w_u^2 / sum of w_v^2 over the weights v of its layer that are at least as large (the paper's LAMP score); one threshold for the
    scores of all convolutions. No other setting: the densities of layers follow from it.

    The largest weight of each layer scores 1, so no layer is emptied until all are down to one weight. The threshold is `magnitude`'s:
    of n scores in ascending order the entry int(ratio * n), and only what is larger stays. Scores are taken in double precision. One shot;
    the paper repeats it with training between.  linear: linear layers too, as in the paper.
    """

    linear: bool = False

    name: ClassVar[str] = "lamp"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    paper: ClassVar[str] = "Lee, Park, Mo, Ahn, Shin. Layer-adaptive Sparsity for the Magnitude-based Pruning. ICLR 2021, arXiv:2010.07611"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The masks of the largest scores."""
        shares(budget, self.name)
        scores = {name: score(weight) for name, weight in weights_of(net, self.linear).items()}
        masks = above(scores, budget.ratio)
        rescue(net, masks, scores)
        return Selection(masks=masks)


def score(weight: Tensor) -> Tensor:
    """The scores of one layer's weights, in its shape; of equal weights the later scores higher."""
    squares = weight.detach().double().flatten().square()
    order = squares.argsort(stable=True).flip(0)  # the largest first: what is at least as large comes before
    scores = squares.new_zeros(len(squares))
    scores[order] = squares[order] / squares[order].cumsum(0)
    return scores.nan_to_num(0.0).reshape(weight.shape)  # a layer of zeros


@hookimpl
def bench_methods() -> list[type]:
    return [Lamp]
