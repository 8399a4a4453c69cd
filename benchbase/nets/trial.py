"""Groups tried out before anyone relies on them: a network with sizes written into its code does not run with fewer channels."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchbase.nets.calls import calls_of
from benchbase.nets.exported import quiet
from benchbase.nets.groups import Group, Pin
from benchbase.nets.net import private_copy
from benchbase.nets.surgery import slice_


class Bench:
    """A copy of the network to slice and run, again and again.

    alike: whether it makes the same calls in train mode as in eval mode, so that one graph, and one trial, says all.  trains: whether it
    runs in train mode.
    """

    def __init__(self, model: nn.Module, example: tuple[Any, ...]) -> None:
        """Raises what the network raises in eval mode."""
        self.model, self.example = model, example
        calls = calls_of(model, example, False)
        try:
            self.alike = calls is not None and calls == calls_of(model, example, True)
            self.trains = True
        except Exception:  # noqa: BLE001 -- what a network stops with is its own affair
            self.alike = self.trains = False

    @classmethod
    def of(cls, model: nn.Module, example: tuple[Any, ...]) -> Bench:
        """On torch's meta device, where shapes alone are computed, if the whole network runs there; else with real numbers."""
        try:
            return cls(private_copy(model).to("meta"), pytree.tree_map_only(Tensor, lambda t: t.to("meta"), example))
        except Exception:  # noqa: BLE001 -- whatever has no meta form
            return cls(private_copy(model), example)

    def fails(self, groups: Sequence[Group]) -> str:
        """What the network stops with when each of `groups` keeps `_left` of its channels; "" when it runs."""
        small = private_copy(self.model)
        slice_(small, groups, {g.name: range(_left(g.width)) for g in groups})
        return self._stops(small, False) or (self._stops(small, True) if self.trains and not self.alike else "")

    def _stops(self, model: nn.Module, training: bool) -> str:
        try:
            with quiet(model), torch.set_grad_enabled(training):
                model.train(training)(*self.example)
            return ""
        except Exception as error:  # noqa: BLE001 -- whatever it stops with is what we want to know
            first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
            return f"{type(error).__name__}: {first[:160]}"


def tried(bench: Bench, groups: Sequence[Group]) -> tuple[tuple[Group, ...], tuple[Pin, ...]]:
    """The groups with which the network runs, in eval and in train mode, when each loses about a third; and pins for the others.

    Usually one trial of all groups is all it takes. Where it fails, groups are tried block by block, those at the same place of each block
    together; where the first, the middle and the last of them fail, all are pinned.
    """
    if not groups or not bench.fails(groups):
        return tuple(groups), ()
    families: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        families[re.sub(r"\b\d+\b", "#", group.name)].append(group)
    good: list[Group] = []
    wrong: dict[Group, str] = {}
    for family in families.values():
        _try(bench, family, good, wrong)
    pins = [Pin(g.uses[0].tensor, g.uses[0].dim, g.width, f"a size written in code: with fewer channels it stops with {wrong[g]}") for g in groups if g in wrong]
    return tuple(g for g in groups if g not in wrong), tuple(pins)


def _try(bench: Bench, family: Sequence[Group], good: list[Group], wrong: dict[Group, str]) -> None:
    """Add each group of the family to those with which the network runs, or to those with which it stops, and with what."""
    stops = bench.fails([*good, *family])
    if not stops:
        good += family
    elif len(family) == 1 or (len(family) > 2 and all(bench.fails([*good, family[i]]) for i in (0, len(family) // 2, -1))):
        wrong.update(dict.fromkeys(family, stops))
    else:
        _try(bench, family[:len(family) // 2], good, wrong)
        _try(bench, family[len(family) // 2:], good, wrong)


def _left(width: int) -> int:
    """How many channels a trial leaves: the largest prime up to two thirds, so that no size in code divides it by luck."""
    return next((n for n in range(max(2, -(-2 * width // 3)), 1, -1) if n < width and all(n % d for d in range(2, int(n ** 0.5) + 1))), 1)
