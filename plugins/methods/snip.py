"""SNIP: keep the connections that the loss feels most, before any training (Lee, Ajanthan and Torr, ICLR 2019)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import Method, Selection, hookimpl

from ._masks import above, rescue, shares, weights_of
from ._scores import at_least, first_batches, gradients

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Snip(Method):
    """A connection's sensitivity is |dL/dc|, the slope of the loss at a factor c = 1 on the weight, that is |dL/dw w|, of the mean loss of
    `batches` batches of training images with their labels; one threshold for all convolutions (algorithm 1). (The paper divides by the
    sum of all sensitivities, which changes no order.) Norms use the statistics of the batch, as in a first step of training.

    It prunes at initialisation: its base is the dense network with its first weights. Its own protocol, training the masked network
    by the base's schedule, is finetune-matched.  trained: score the trained network instead, in eval mode.  linear: linear layers too,
    as in the paper.
    """

    batches: int = 2
    trained: bool = False
    linear: bool = False

    name: ClassVar[str] = "snip"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    passes: ClassVar[int] = 3
    paper: ClassVar[str] = "Lee, Ajanthan, Torr. SNIP: Single-shot Network Pruning based on Connection Sensitivity. ICLR 2019, arXiv:1810.02340"

    def __post_init__(self) -> None:
        at_least(self, batches=1)

    @property
    def untrained(self) -> bool:  # type: ignore[override]
        """Whether it prunes at initialisation."""
        return not self.trained

    def select(self, net: Any, data: Iterable[tuple[Tensor, Tensor]], budget: Any) -> Selection:
        """The masks of the largest sensitivities."""
        shares(budget, self.name)
        scores = self.scores(net, first_batches(data, self.batches, self.name))
        masks = above(scores, budget.ratio)
        rescue(net, masks, scores)
        return Selection(masks=masks)

    def scores(self, net: Any, batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Sensitivities by parameter, in double precision."""
        weights, count = weights_of(net, self.linear), sum(len(labels) for _, labels in batches)
        total = {name: weight.double().new_zeros(weight.shape) for name, weight in weights.items()}
        for images, labels in batches:
            for name, slope in gradients(net.model, weights, images, labels, batch_statistics=self.untrained).items():
                total[name] += slope.double() * (len(labels) / count)
        return {name: (slope * weights[name].double()).abs() for name, slope in total.items()}


@hookimpl
def bench_methods() -> list[type]:
    return [Snip]
