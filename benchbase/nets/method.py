"""What a pruning method is: what it does to training before the choice, and which channels, blocks or weights stay.

No torch here: a plugin module that only declares its method can be listed without it.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor, nn

    from benchbase.nets.net import Net
    from benchbase.values.budget import Budget
    from benchbase.values.selection import Selection


class Callback:
    """Something done to the training loop. Subclass as a frozen dataclass: its fields are its identity in every cache key,
    so what is not a field cannot reach training. Every hook does nothing unless overridden.

    Order: start, then per step (after_backward, after_step), after_epoch once an epoch, finish once.
    """

    def start(self, net: Net | nn.Module) -> None:
        """Before the first step. The stage passes a `Net` over the live model (`net.model` is what is trained, not a copy;
        `net.groups` its channels); a loop called by hand passes the plain model."""

    def after_backward(self, model: nn.Module) -> None:
        """Gradients are there, the optimiser has not stepped: add a penalty's subgradient to `p.grad`."""

    def after_step(self, model: nn.Module) -> None:
        """The optimiser has stepped: project, shrink or mask weights in place, under `torch.no_grad()`."""

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """`epoch` counts from 0 and has just ended."""

    def finish(self, model: nn.Module) -> None:
        """After the last step: leave a plain model (no hooks, no parameters that the architecture does not have)."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint in mid-training must hold besides the model: a dict of tensors and plain JSON values."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave, after `start`, when an interrupted training goes on."""


class Method:
    """One pruning method. Subclass as a frozen dataclass; its fields are its hyperparameters.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class FirstChannels(Method):
    ...     '''Keeps the first channels of each group.'''
    ...     name = "first-channels"
    ...     def select(self, net, data, budget):
    ...         return Selection({g.name: range(budget.keep(g)) for g in net.groups})
    """

    name: ClassVar[str] = ""
    granularity: ClassVar[Literal["channel", "block", "weight"]] = "channel"
    target: ClassVar[Literal["predefined", "automatic"]] = "predefined"  # who decides the widths: the user's budget, or the method
    paper: ClassVar[str] = ""            # a citation
    version: ClassVar[int] = 1           # raise it when results change: it is part of every key
    scope: ClassVar[Literal["inner", "all"]] = "inner"  # groups of a budget that names none; inner: one producer, no addition, no gather
    keep_at_least: ClassVar[int] = 0     # 1: a layer that would lose everything keeps its best channel, and the report lists it
    tunes: ClassVar[bool] = False        # select calls net.tune: the fine-tuning recipe is then part of its key
    restarts: ClassVar[bool] = False     # select calls net.restart: the base's recipe is then part of its key
    gathers: ClassVar[bool] = False      # select also says what layers read of a shared stream, as many channels as budget.reads
    passes: ClassVar[int] = 1            # what select spends on an image it reads, in forward passes of the dense network: 3 with gradients
    untrained: ClassVar[bool] = False    # it prunes at initialisation: its base has the first weights of the dense network
    trials: ClassVar[int] = 1            # how many trainings of its own, each with a choice after it, `search` may take
    reported: ClassVar[tuple[Any, ...]] = ()  # numbers the paper reports, for `bench show`

    def training(self, budget: Budget) -> Callback | None:
        """What happens to training before the choice; None: the plain dense base will do, and is shared."""
        return None

    def search(self, budget: Budget, tried: Sequence[tuple[Callback, Mapping[str, Any] | None]]) -> Callback | None:
        """The next training to try for `budget`, or None: the nearest of those so far will do. Asked where `trials` is above 1.

        tried: what `training` and `search` gave before, each with the report of the choice after it (report.json of the pruned folder:
        "achieved" has the shares removed, "blocks" of a block method their counts), None where there was nothing to prune.
        A pure function of its arguments and fields. Every training counts in the ledger."""
        return None

    def fit(self, net: Net, budget: Budget) -> Budget:
        """The budget it works with, decided before any training: `net` has untrained weights, only its groups and costs mean
        something. A control that turns the asked budget into another one (uniform: one ratio at the same MACs) overrides this."""
        return budget

    def select(self, net: Net, data: Iterable[tuple[Tensor, Tensor]], budget: Budget) -> Selection:
        """Say what stays. `net` is a private copy whose weights may be edited (the edited copy is what gets sliced);
        `data` yields (images, labels) batches of the training split; `budget.keep(group)` is how many channels stay.
        Draw random numbers only from `net.generator`. A group that the selection does not name is kept whole."""
        raise NotImplementedError(f"{type(self).__name__} does not define select(net, data, budget)")
