"""SynFlow: keep the flow of synaptic strength through a network that is not trained and sees no data (Tanaka et al., NeurIPS 2020)."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import Method, Selection, hookimpl

from ._masks import above, rescue, shares, weights_of
from ._scores import at_least, logits

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SynFlow(Method):
    """With every parameter and statistic replaced by its absolute value and an input of ones, R is the sum of the outputs and a weight's
    score |dR/dw w|; one threshold for all convolutions, in `steps` steps to a density of (1 - ratio)^(k / steps) after step k, scores
    taken anew in each (algorithm 1). In double precision, in eval mode, as in the authors' code.

    It prunes at initialisation: its base is the dense network with its first weights. Its own protocol, training the masked network
    by the base's schedule, is finetune-matched.  trained: score the trained network instead.  linear: linear layers too, as in the paper.
    """

    steps: int = 100
    trained: bool = False
    linear: bool = False

    name: ClassVar[str] = "synflow"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    paper: ClassVar[str] = ("Tanaka, Kunin, Yamins, Ganguli. Pruning neural networks without any data by iteratively conserving synaptic flow. "
                            "NeurIPS 2020, arXiv:2006.05467")

    def __post_init__(self) -> None:
        at_least(self, steps=1)

    @property
    def untrained(self) -> bool:  # type: ignore[override]
        """Whether it prunes at initialisation."""
        return not self.trained

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The masks after the last step."""
        shares(budget, self.name)
        names = list(weights_of(net, self.linear))
        masks: dict[str, Tensor] = {}
        for step in range(1, self.steps + 1):
            scores = flow(net, names, masks)
            masks = above(scores, budget.ratio if step == self.steps else 1 - (1 - budget.ratio) ** (step / self.steps))
            net.rescued.clear()
            rescue(net, masks, scores)
        return Selection(masks=masks)


def flow(net: Any, names: list[str], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """|dR/dw w| of the named weights under the masks, in double precision. The model is left as it is."""
    import torch
    from torch.func import functional_call

    tensors = (*net.model.named_parameters(), *net.model.named_buffers())
    state = {n: t.detach().double().abs() if t.is_floating_point() else t.detach().clone() for n, t in tensors}
    weights = {n: (state[n] * masks[n] if n in masks else state[n]).requires_grad_() for n in names}
    image = net.trace.program.example_inputs[0][0]
    ones = torch.ones(1, *image.shape[1:], dtype=torch.float64, device=image.device)
    with torch.enable_grad():
        slopes = torch.autograd.grad(logits(functional_call(net.model, {**state, **weights}, (ones,))).sum(), list(weights.values()))
    return {name: (slope * weight).detach().abs() for (name, weight), slope in zip(weights.items(), slopes, strict=True)}


@hookimpl
def bench_methods() -> list[type]:
    return [SynFlow]
