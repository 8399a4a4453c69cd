"""Growing regularisation: the filters that will go are pressed to zero by an L2 penalty that grows (Wang et al., ICLR 2021)."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from benchbase import BenchError, Budget, Callback, Method, Selection, hookimpl

from ._scores import filter_norms, largest


@dataclass(frozen=True)
class GrowingPenalty(Callback):
    """From `start` (a fraction of training) on, the filters of smallest L1 norm, as many of each group as `budget` removes, have the
    penalty lambda / 2 |w|^2; lambda grows linearly from 0 there to `ceiling` at `full`, and stays.

    The filters are ranked once, at `start`. A filter is the one that first writes the channel; where several layers write it, the
    penalty is on all of them.
    """

    budget: Budget
    start_at: float
    full_at: float
    ceiling: float
    _now: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def start(self, net: Any) -> None:
        """Nothing is chosen yet."""
        if not getattr(net, "steps", 0):
            raise BenchError("growing-reg must know the channels of the network it trains and for how long", "train it with `bench run`")
        self._now.update(net=net, step=0, gone={})

    def after_backward(self, model: Any) -> None:
        """Add lambda w to the gradients of the filters that will go."""
        import torch

        net, progress = self._now["net"], self._now["step"] / self._now["net"].steps
        if progress < self.start_at:
            return
        gone, groups = self._now["gone"], [g for g in net.groups if self.budget.keep(g) < g.width]
        if not gone:
            gone.update({g.name: sorted({*range(g.width)} - {*largest(filter_norms(net, g, 1), self.budget.keep(g))}) for g in groups})
        strength = self.ceiling * min((progress - self.start_at) / (self.full_at - self.start_at), 1.0)
        for group in groups:
            for use, layer in net.writers(group) or net.consumers(group):
                at = torch.as_tensor(use.at[gone[group.name]].reshape(-1), device=layer.weight.device)
                layer.weight.grad.index_add_(use.dim, at, layer.weight.detach().index_select(use.dim, at), alpha=strength)

    def after_step(self, model: Any) -> None:
        """Count."""
        self._now["step"] += 1

    def state(self) -> dict[str, Any]:
        """Steps done, and the choice once it is made."""
        return {"step": self._now["step"], "gone": self._now["gone"]}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._now.update(step=state["step"], gone={name: list(channels) for name, channels in state["gone"].items()})


@dataclass(frozen=True)
class GrowingReg(Method):
    """GReg-1: rank filters by L1 norm at `start` of the training, let the L2 penalty on the smallest grow to `ceiling` until `full`, hold
    it for the rest, and cut (section 3.2). Each budget trains a network of its own.

    The paper takes a trained network and adds iterations at a low rate, with steps of 1e-4 every 10 of them up to 1 and then a hold of
    40,000; here both phases are the last part of one training, so that every method has the same epochs, and the growth is in steps of
    one iteration. In the end the largest filters (L1) stay: those under the penalty are the smallest by far.
    """

    start: float = 0.5
    full: float = 0.75
    ceiling: float = 1.0

    name: ClassVar[str] = "growing-reg"
    paper: ClassVar[str] = "Wang, Qin, Zhang, Fu. Neural Pruning via Growing Regularization. ICLR 2021, arXiv:2012.09243"

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.full <= 1:
            raise BenchError(f"growing-reg[start={self.start},full={self.full}] is no schedule", "give fractions of training, 0 <= start < full <= 1")
        if not self.ceiling > 0:
            raise BenchError(f"growing-reg[ceiling={self.ceiling}] penalises nothing", "give a ceiling above 0")

    def training(self, budget: Any) -> Callback:
        """The penalty on the filters that the budget removes."""
        return GrowingPenalty(budget, self.start, self.full, self.ceiling)

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The filters with the largest L1 norm of each group, as many as the budget keeps."""
        return Selection({g.name: largest(filter_norms(net, g, 1), budget.keep(g)) for g in net.groups})


@hookimpl
def bench_methods() -> list[type]:
    return [GrowingReg]
