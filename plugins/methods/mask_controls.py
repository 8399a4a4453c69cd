"""The controls of masked rows: how much each layer keeps without which weights, and neither (Su et al., NeurIPS 2020)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import Method, Selection, hookimpl

from ._masks import above, rescue, shares, top, weights_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LayerShuffled(Method):
    """Each convolution keeps as many weights as `magnitude` leaves it, at positions drawn at random within it: magnitude's distribution
    over layers and nothing else of it ("layerwise rearrange" of the paper).

    At a budget like another method's (lamp@0.9) it has that method's counts. linear: as in magnitude, linear layers too. The masks are
    drawn from the method's own generator; what stays keeps its trained values.
    """

    linear: bool = False

    name: ClassVar[str] = "layer-shuffled"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    paper: ClassVar[str] = "Su et al. Sanity-Checking Pruning Methods: Random Tickets can Win the Jackpot. NeurIPS 2020, arXiv:2009.11094"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """Masks with the counts of each layer."""
        counts = left(self, net, budget)
        return Selection(masks={name: top(drawn(net, net.model.get_parameter(name)), count) for name, count in counts.items()})


@dataclass(frozen=True)
class RandomMask(Method):
    """As many weights as `magnitude` keeps in all, drawn at random from all convolutions alike: neither its distribution over layers nor
    its choice. A layer that would lose every weight keeps the one drawn last, and the report names it.

    At a budget like another method's (lamp@0.9) it has that method's total, over its layers. linear: as in magnitude, linear layers too.
    The masks are drawn from the method's own generator; what stays keeps its trained values.
    """

    linear: bool = False

    name: ClassVar[str] = "random-mask"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    paper: ClassVar[str] = "a control: any choice of weights should beat it at the same count"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """One random mask over all layers."""
        import torch

        counts = left(self, net, budget)
        net.rescued.clear()
        scores = {name: drawn(net, net.model.get_parameter(name)) for name in counts}
        chosen = top(torch.cat([score.flatten() for score in scores.values()]), sum(counts.values()))
        parts = chosen.split([score.numel() for score in scores.values()])
        masks = {name: part.reshape(score.shape).clone() for (name, score), part in zip(scores.items(), parts, strict=True)}
        rescue(net, masks, scores)
        return Selection(masks=masks)


def left(method: Any, net: Any, budget: Any) -> dict[str, int]:
    """How many weights stay of each layer: as the budget says, or as `magnitude` leaves them."""
    if budget.widths:
        return dict(budget.widths)
    shares(budget, method.name)
    sizes = {name: weight.abs() for name, weight in weights_of(net, method.linear).items()}
    masks = above(sizes, budget.ratio)
    rescue(net, masks, sizes)
    return {name: int(mask.sum()) for name, mask in masks.items()}


def drawn(net: Any, like: Tensor) -> Tensor:
    """Uniform numbers from the method's generator, one a weight; in double precision, so that none are equal."""
    import torch

    return torch.rand(like.shape, dtype=torch.float64, generator=net.generator).to(like.device)


@hookimpl
def bench_methods() -> list[type]:
    return [LayerShuffled, RandomMask]
