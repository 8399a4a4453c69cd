"""Groups tried out before anyone relies on them: a network with sizes written into its code does not run, or computes something else,
with fewer channels."""
from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchbase.nets.calls import calls_of
from benchbase.nets.exported import quiet
from benchbase.nets.groups import Group, Pin
from benchbase.nets.net import private_copy
from benchbase.nets.seeded import seeded
from benchbase.nets.surgery import cut_copy, zero_

SAME, SHARE, ROUNDING = 1e-4, 0.01, 1e-5  # zeroed and sliced networks may differ by the largest output times SAME, or by a SHARE of what the
# zeros changed where that is less, and always by the largest output times ROUNDING
Check = Callable[[Sequence[Group]], str]


class Bench:
    """Copies of the network to slice and run, again and again.

    alike: whether it makes the same calls in train mode as in eval mode, so that one graph, and one trial, says all.  trains: whether it
    runs in train mode.
    """

    def __init__(self, model: nn.Module, example: tuple[Any, ...]) -> None:
        """Raises what the network raises in eval mode."""
        self.source, self.given = model, example
        self.model, self.example = self._shapes()
        try:
            self.trains = True
            self.alike = self.calls is not None and self.calls == calls_of(self.model, self.example, True)
        except Exception:  # noqa: BLE001 -- what a network stops with is its own affair
            self.alike = self.trains = False

    def _shapes(self) -> tuple[nn.Module, tuple[Any, ...]]:
        """A copy on torch's meta device, where shapes alone are computed, if the whole network runs there; else with real numbers."""
        try:
            model, example = _meta_copy(self.source), pytree.tree_map_only(Tensor, lambda t: t.to("meta"), self.given)
            self.calls = calls_of(model, example, False)
        except Exception:  # noqa: BLE001 -- whatever has no meta form
            model, example = private_copy(self.source), self.given
            self.calls = calls_of(model, example, False)
        return model, example

    def stops(self, groups: Sequence[Group]) -> str:
        """What the network stops with when each of `groups` keeps what `_kept` says; "" when it runs."""
        small = cut_copy(self.model, groups, _kept(groups))
        try:
            for training in (False, True) if self.trains and not self.alike else (False,):
                with quiet(small), torch.set_grad_enabled(training):
                    small.train(training)(*self.example)
        except Exception as error:  # noqa: BLE001 -- whatever it stops with is what we want to know
            return _stopped(error)
        return ""

    def differs(self, groups: Sequence[Group]) -> str:
        """Whether the network so cut computes something else than with the lost channels zeroed; "" when not, or where numbers overflow."""
        kept = _kept(groups)
        small, full = cut_copy(self.lively, groups, kept), private_copy(self.lively)
        for g in groups:
            zero_(full, g, sorted({*range(g.width)} - {*kept[g.name]}))
        try:
            outputs = zip(self.whole, self._outputs(full), self._outputs(small), strict=True)
        except Exception as error:  # noqa: BLE001 -- what shapes alone do not show
            return _stopped(error) if self.whole else ""
        apart = any(given.shape != wanted.shape or _gap(given, wanted) > _near(dense, wanted) for dense, wanted, given in outputs if wanted.numel())
        return "with fewer channels it computes something else than with these channels zeroed" if apart else ""

    def _outputs(self, model: nn.Module) -> list[Tensor]:
        example = pytree.tree_map_only(Tensor, lambda t: t.to("cpu", torch.float32 if t.is_floating_point() else t.dtype), self.given)
        with quiet(model), torch.no_grad():
            return [t for t in pytree.tree_leaves(model.eval()(*example)) if isinstance(t, Tensor) and t.is_floating_point()]

    @cached_property
    def whole(self) -> list[Tensor]:
        """What the lively copy computes, all of it there; nothing where it does not run on this processor."""
        try:
            return self._outputs(self.lively)
        except Exception:  # noqa: BLE001 -- made for another device
            return []

    @cached_property
    def lively(self) -> nn.Module:
        """A copy in which no branch is dead: what is constant in a fresh network is random, near one, or near zero where it is zero. On the
        processor and in single precision, where rounding is small and known."""
        model = private_copy(self.source).to("cpu", torch.float32)
        norms = [b for name, b in model.named_buffers() if name.endswith(("running_mean", "running_var"))]
        with seeded(0), torch.no_grad():
            for t in (*model.parameters(), *norms):
                if t.numel() and bool((t == t.reshape(-1)[0]).all()):
                    t.uniform_(0.5, 1.5) if t.reshape(-1)[0] or not t.dim() else t.normal_(0, 0.2 if t.dim() == 1 else t[0].numel() ** -0.5)
        return model


def _meta_copy(model: nn.Module) -> nn.Module:
    """A private copy on torch's meta device, made without a copy of the numbers."""
    shapes: dict[Tensor, Tensor] = {p: nn.Parameter(p.detach().to("meta"), p.requires_grad) for p in model.parameters()}
    return private_copy(model, shapes | {b: b.detach().to("meta") for b in model.buffers()}).to("meta")


def tried(bench: Bench, groups: Sequence[Group]) -> tuple[tuple[Group, ...], tuple[Pin, ...]]:
    """The groups with which the network runs, in eval and in train mode, when each loses a third to two thirds, and computes the same as with
    these channels zeroed; and pins for the others.

    Usually one trial of all groups is all it takes. Where it fails, groups are tried block by block, those at the same place of each block
    together; where the first, the middle and the last of them fail, all are pinned.
    """
    good, wrong = list(groups), dict[Group, str]()
    for check in (bench.stops, bench.differs):
        if good and check(good):
            families, good = _families(good), []
            for family in families:
                _try(check, family, good, wrong)
    pins = [Pin(g.uses[0].tensor, g.uses[0].dim, g.width, f"a size written in code: {wrong[g]}") for g in groups if g in wrong]
    return tuple(g for g in groups if g not in wrong), tuple(pins)


def _families(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups whose names differ in numbers alone are one family."""
    families: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        families[re.sub(r"\b\d+\b", "#", group.name)].append(group)
    return list(families.values())


def _try(check: Check, family: Sequence[Group], good: list[Group], wrong: dict[Group, str]) -> None:
    """Add each group of the family to the good ones, with which the network passes, or to the wrong ones, with why it does not."""
    why = check([*good, *family])
    if not why:
        good += family
    elif len(family) == 1 or (len(family) > 2 and all(check([*good, family[i]]) for i in (0, len(family) // 2, -1))):
        wrong.update(dict.fromkeys(family, why))
    else:
        _try(check, family[:len(family) // 2], good, wrong)
        _try(check, family[len(family) // 2:], good, wrong)


def _kept(groups: Sequence[Group]) -> dict[str, list[int]]:
    """The channels that a trial leaves of each group: a prime number of them, between a third and two thirds, so that no size in code
    divides it by luck; another for the next group that is as wide, so that none agrees with another by luck."""
    kept: dict[str, list[int]] = {}
    seen: Counter[int] = Counter()
    for g in groups:
        counts = [n for n in range(max(2, g.width // 3), 2 * g.width // 3 + 1) if all(n % d for d in range(2, int(n ** 0.5) + 1))] or [g.width - 1]
        kept[g.name] = sorted(np.random.default_rng(len(kept)).permutation(g.width)[:counts[-1 - seen[g.width] % len(counts)]].tolist())
        seen[g.width] += 1
    return kept


def _stopped(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"with fewer channels it stops with {type(error).__name__}: {first[:160]}"


def _gap(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())


def _near(dense: Tensor, zeroed: Tensor) -> float:
    """How far a sliced network's output may be from the zeroed one's."""
    largest = float(zeroed.abs().max())
    return min(SAME * largest, SHARE * _gap(dense, zeroed)) + ROUNDING * largest
