"""Soft pruning: filters set to zero after every epoch of training, free to grow back."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from benchbase import BenchError, Budget, Callback

from ._scores import distances, filter_norms, largest

Rule = Literal["l2", "distance"]


@dataclass(frozen=True)
class ZeroSmallest(Callback):
    """After each epoch the filters of the smallest score are zero, as many of each group as `budget` removes.

    by: "l2", the filter's L2 norm, or "distance", the sum of its Euclidean distances to the others of its layer.
    Only weights of filters are set, as in the authors' code: norms, momentum and the filters' gradients go on, so that they may return.
    A filter is the one that first writes the channel; where several layers write it, they are zeroed together. Of what a gather picks
    from a shared stream it is the kernels that read it there.
    """

    budget: Budget
    by: Rule = "l2"
    _net: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def start(self, net: Any) -> None:
        """Remember whose channels they are."""
        if not hasattr(net, "groups"):
            raise BenchError("soft pruning must know the channels of the network it trains", "train it with `bench run`")
        self._net[:] = [net]

    def after_epoch(self, model: Any, epoch: int) -> None:
        """Zero the smallest filters of every group, in each layer that has them."""
        import torch

        [net] = self._net
        with torch.no_grad():
            for group in net.groups:
                if self.budget.keep(group) < group.width:
                    gone = sorted({*range(group.width)} - {*kept_by(self.by, net, group, self.budget.keep(group))})
                    for use, layer in net.writers(group) or net.consumers(group):
                        layer.weight.index_fill_(use.dim, torch.as_tensor(use.at[gone].reshape(-1), device=layer.weight.device), 0)


def kept_by(by: Rule, net: Any, group: Any, count: int) -> tuple[int, ...]:
    """The `count` filters of the largest score."""
    return largest(filter_norms(net, group, 2) if by == "l2" else distances(net.filters(group)), count)
