"""What a method sees: a private copy of the network, and its channels."""
from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchbase.errors import BenchError, raised
from benchbase.values.budget import Budget

if TYPE_CHECKING:
    from benchbase.nets.graph import Trace
    from benchbase.nets.groups import Group, Use
    from benchbase.nets.shortcut import Block

NORMS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)
TRANSPOSED = nn.modules.conv._ConvTransposeNd


@dataclass(frozen=True)
class Raw:
    """A parameter that acts as a layer without a module of its own; it has a `weight` as layers do."""

    name: str
    weight: nn.Parameter
    bias: None = None


@dataclass
class Net:
    """The network that a method may look at and edit: `model` is its own copy.

    groups: the channels that go together in the budget's scope, in input-to-output order.  generator: the only source of random
    numbers.  rescued: a method that kept a channel only because a layer would have been left empty appends the group's name here.
    tuner: what `tune` and `restart` call, where a method may train.  steps: of the optimiser in all, for a callback of a training; 0 elsewhere.
    rate: gives the learning rate of the step under way, in a training.
    """

    model: nn.Module
    trace: Trace
    generator: torch.Generator
    groups: tuple[Group, ...]
    rescued: list[str] = field(default_factory=list)
    tuner: Callable[[Net, int | None, Mapping[str, Sequence[int]], Mapping[str, Tensor]], None] | None = field(default=None, repr=False)
    steps: int = 0
    rate: Callable[[], float] | None = field(default=None, repr=False)

    def producer(self, group: Group) -> nn.Module | Raw:
        """The layer that first writes the group's channels: a module with a `weight`, or a bare parameter as `Raw`. A group that starts
        at a gather has the gather, which has no weight: what it picks is written elsewhere, for others too."""
        return self._owner(group.producers[0])

    def filters(self, group: Group) -> Tensor:
        """What each channel is made of: (width, entries), the rows of the first producer's weight, whatever its layout. Of a group that
        starts at a gather the kernels that its first reader has for each channel: they are all that belongs to the choice.

        Raises BenchError, kind "not_applicable", where no layer does either.
        """
        use: Use | None
        layer: Any  # with a weight
        use, layer = next(iter([*self.writers(group), *self.consumers(group)]), (None, None))
        if use is None or layer is None:
            raise BenchError(f"no layer's weight tells the channels of {group.name} apart", "leave that group whole", kind="not_applicable")
        at = torch.as_tensor(use.at, device=layer.weight.device)
        rows: Tensor = layer.weight.movedim(use.dim, 0)[at.reshape(-1)].reshape(group.width, -1)
        return rows

    def writers(self, group: Group) -> list[tuple[Use, nn.Module | Raw]]:
        """The layers that write the group's channels, in the order they run, each with the use that says where in its `weight`:
        `use.at` (width, entries) along `use.dim`."""
        found = [(name, use, self._owner(name)) for name in group.producers if (use := _written(group, name)) is not None]
        return [(use, layer) for name, use, layer in found if use.tensor != name or isinstance(layer, Raw)]  # not: a bare buffer of indices

    def norm(self, group: Group) -> nn.Module | None:
        """The first batch or instance norm over the group's channels, or None."""
        owners = (self._module(use.tensor.rpartition(".")[0]) for use in group.uses)
        return next((m for m in owners if isinstance(m, NORMS)), None)

    def norms(self, group: Group) -> list[tuple[Use, nn.Module]]:
        """All batch and instance norms with scales over the group's channels, in the order of the network's parameters, each with the use
        that says where in its `weight`: `use.at` (width, entries)."""
        found = ((use, self._module(use.tensor.removesuffix(".weight"))) for use in group.uses if use.tensor.endswith(".weight"))
        return [(use, module) for use, module in found if isinstance(module, NORMS)]

    def consumers(self, group: Group) -> list[tuple[Use, nn.Module | Raw]]:
        """The layers that read the group's channels, each with the use that says where: `use.at` (width, entries) along `use.dim`."""
        found = []
        for use in group.uses:
            owner = self._module(use.tensor.rpartition(".")[0])
            if use.tensor in self._weights and use.dim == (0 if isinstance(owner, TRANSPOSED) else 1):
                found.append((use, self._owner(use.tensor.removesuffix(".weight"))))
        return found

    def entrances(self) -> tuple[str, ...]:
        """Paths of the first layers of branches: they read a stream that no group in scope cuts, and write channels of an inner one."""
        from benchbase.nets.reads import entrances

        return entrances(self)

    def inputs(self, path: str) -> Group:
        """The input channels of the layer at `path` as a group, PATH.reads: a walk can stop there too, and what stays of it is for
        `Selection.reads`, not for `kept`. Raises BenchError where the layer cannot read a part of its input."""
        from benchbase.nets.reads import inputs

        return inputs(self.model, path)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The residual blocks that can be dropped, in network order: `path`, and `last`, the layer whose weight and bias scale the branch."""
        from benchbase.nets.shortcut import blocks_of

        return blocks_of(self.model)

    def zero(self, group: Group, kept: Iterable[int]) -> None:
        """Zero the channels outside `kept` in every producer, norm and consumer: the net then computes what the sliced one will."""
        from benchbase.nets.surgery import zero_

        stay = set(map(int, kept))
        zero_(self.model, group, [c for c in range(group.width) if c not in stay])

    def uniform(self, budget: Budget) -> Budget:
        """The budget of one ratio for all groups in scope whose multiply-adds come nearest to what `budget` leaves."""
        from benchbase.nets.solve import uniform

        return uniform(budget, self.trace, self.model, self.groups)

    def walk(self, images: Tensor, **options: Any) -> Iterator[Any]:
        """Step through the network layer by layer with all `images` (n, channels, height, width) at the frontier; see `walk.walk`."""
        from benchbase.nets.walk import walk

        return walk(self, images, **options)

    def tune(self, epochs: int, kept: Mapping[str, Sequence[int]] | None = None, masks: Mapping[str, Tensor] | None = None) -> None:
        """Fine-tune `model` in place for `epochs` epochs of the training split by the fine-tuning recipe, with the channels outside
        `kept` {group: indices} and the weights that `masks` {parameter: True stays} leave out held at zero. What it costs stands in the
        row's ledger.

        Raises BenchError, kind "not_applicable", where there is no training, or the method does not say that it trains (`tunes`).
        """
        if self.tuner is None:
            raise BenchError("the method trains between its choices, and there is no training here",
                             "run it with `bench run`; the method says `tunes = True`", kind="not_applicable")
        self.tuner(self, epochs, kept or {}, masks or {})

    def restart(self, kept: Mapping[str, Sequence[int]] | None = None, masks: Mapping[str, Tensor] | None = None) -> None:
        """Set `model` back to the base's initial weights and train it by the base's recipe, in place, with what `kept` and `masks` leave
        out held at zero: a round of the lottery ticket (Frankle and Carbin 2019). What the method does to training has no part in it.

        Raises BenchError as `tune` does, where the method does not say that it does so (`restarts`).
        """
        if self.tuner is None:
            raise BenchError("the method trains again from the beginning, and there is no training here",
                             "run it with `bench run`; the method says `restarts = True`", kind="not_applicable")
        self.tuner(self, None, kept or {}, masks or {})

    @property
    def _weights(self) -> set[str]:
        return {name for name, _ in self.trace.positions}

    def _module(self, path: str) -> nn.Module | None:
        try:
            return self.model.get_submodule(path)
        except AttributeError:
            return None

    def _owner(self, name: str) -> nn.Module | Raw:
        module = self._module(name)
        if module is not None:
            return module
        path, _, leaf = name.rpartition(".")
        owner = self.model.get_submodule(path)
        parameter = owner._parameters.get(leaf)
        return owner if parameter is None else Raw(name, parameter)  # without a parameter: a bare buffer of indices, and whose it is


def _written(group: Group, producer: str) -> Use | None:
    """Where a producer's weight holds what it writes; None for a layer without a weight (a gather)."""
    uses = [u for u in group.uses if u.tensor in (producer, f"{producer}.weight")]
    return next((u for u in uses if u.dim == 0), uses[0] if uses else None)


def private_copy(model: nn.Module, instead: Mapping[Tensor, Tensor] | None = None) -> nn.Module:
    """A deep copy that shares nothing with the model, without gradients.

    instead: what the copy has in the place of some tensors; these are not copied.
    Tensors that torch refuses to deep-copy (results of a computation kept on a module) are copied by value.
    Raises BenchError when some other attribute cannot be copied.
    """
    memo: dict[int, Any] = {id(t): other for t, other in (instead or {}).items()}
    for module in model.modules():
        for value in vars(module).values():
            for t in _tensors(value):
                if t.grad_fn is not None and id(t) not in memo:
                    memo[id(t)] = t.detach().clone()
    try:
        twin = copy.deepcopy(model, memo)
    except Exception as error:
        raise BenchError(f"the model cannot be copied: {raised(error)}",
                         "remove what does not copy (open files, locks, generators) from its attributes") from error
    given = {id(t) for t in (instead or {}).values()}
    for p in twin.parameters():
        if id(p) not in given:
            p.grad = None
    return twin


def _tensors(value: Any, depth: int = 3) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, (list, tuple)):
        for v in value:
            yield from _tensors(v, depth - 1)
    elif depth and isinstance(value, dict):
        for v in value.values():
            yield from _tensors(v, depth - 1)
