"""Groups tried out before anyone relies on them: a network with sizes written into its code does not run with fewer channels."""
from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchbase.nets.exported import quiet
from benchbase.nets.groups import Group, Pin
from benchbase.nets.net import private_copy
from benchbase.nets.surgery import slice_


def tried(model: nn.Module, example: tuple[Any, ...], groups: Sequence[Group]) -> tuple[tuple[Group, ...], tuple[Pin, ...]]:
    """The groups with which the network runs, in eval and in train mode, when each loses a third; and pins for the others.

    Shapes alone are computed (torch's meta device) where the network allows it. Usually one trial of all groups is all it takes.
    """
    if not groups:
        return (), ()
    bench = _Bench.of(model, example)
    if not bench.fails(groups):
        return tuple(groups), ()
    good: list[Group] = []
    pins: list[Pin] = []
    for group in groups:
        wrong = bench.fails([*good, group])
        if wrong:
            use = group.uses[0]
            pins.append(Pin(use.tensor, use.dim, group.width, f"a size written in code: with fewer channels it stops with {wrong}"))
        else:
            good.append(group)
    return tuple(good), tuple(pins)


class _Bench:
    """A copy of the network to slice and run, again and again."""

    def __init__(self, model: nn.Module, example: tuple[Any, ...]) -> None:
        self.model, self.example = model, example
        self.trains = not self._stops(model, True)

    @classmethod
    def of(cls, model: nn.Module, example: tuple[Any, ...]) -> _Bench:
        """On the meta device where the whole network runs there, else with real numbers."""
        twin = private_copy(model)
        meta = cls(private_copy(model).to("meta"), pytree.tree_map_only(Tensor, lambda t: t.to("meta"), example))
        return cls(twin, example) if meta._stops(meta.model, False) else meta

    def fails(self, groups: Sequence[Group]) -> str:
        """What the network stops with when each of `groups` loses a third; "" when it runs."""
        small = private_copy(self.model)
        slice_(small, groups, {g.name: range(g.width - max(1, g.width // 3)) for g in groups})
        return self._stops(small, False) or (self._stops(small, True) if self.trains else "")

    def _stops(self, model: nn.Module, training: bool) -> str:
        try:
            with quiet(model), warnings.catch_warnings(), torch.set_grad_enabled(training):
                warnings.simplefilter("ignore")
                model.train(training)(*self.example)
            return ""
        except Exception as error:  # noqa: BLE001 -- whatever it stops with is what we want to know
            first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            return f"{type(error).__name__}: {first[:160]}"
