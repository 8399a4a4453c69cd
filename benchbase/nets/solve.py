"""From a budget to the number of channels that stay in each group."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING

from torch import nn

from benchbase.errors import BenchError, unknown
from benchbase.nets import numbers
from benchbase.nets.reads import reader
from benchbase.values.budget import Budget, rounded

if TYPE_CHECKING:
    from benchbase.nets.graph import Trace
    from benchbase.nets.groups import Group

TOLERANCE = 0.02  # of the dense total


def scope_of(budget: Budget, default: str, groups: Sequence[Group]) -> str:
    """The budget's own scope, else `default`, the method's: "inner" means all groups on a network that has no inner one (a DenseNet,
    where layers only pick their channels of the shared stream)."""
    return budget.scope or (default if any(g.inner for g in groups) else "all")


def in_scope(groups: Sequence[Group], scope: str) -> tuple[Group, ...]:
    """The groups a budget speaks of. "inner": one producer and no addition; "all": every group.

    BenchError (not_applicable) when none is left.
    """
    chosen = tuple(g for g in groups if scope == "all" or g.inner)
    if not chosen:
        raise BenchError(f"the network has no channels that can be removed in scope {scope!r}",
                         f"`bench explain` says what pins its {'channels' if not groups else 'other groups; scope: all takes them in'}",
                         kind="not_applicable")
    return chosen


def resolve(budget: Budget, trace: Trace, model: nn.Module, scope: str = "", keep_at_least: int = 0) -> Budget:
    """The budget with a width for every group in scope: `Budget(widths={group: channels that stay})`.

    scope: "inner" or "all"; the budget's own wins.  keep_at_least: what a layer keeps that would lose everything.
    Raises BenchError for a glob or a name that matches no group, a layer with nothing left, and (not_applicable) for a share of
    the multiply-adds or parameters that no uniform ratio comes within 2 points of. What layers read of a stream stands as it is asked for.
    """
    groups = in_scope(trace.groups, budget.scope or scope or "inner")
    if budget.macs is not None or budget.params is not None:
        widths = _solve_share(budget, trace, model, groups, keep_at_least)
    else:
        _check_names(budget, trace.groups, groups)
        widths = {g.name: max(budget.keep(g), min(keep_at_least, g.width)) for g in groups}
    for g in groups:
        if widths[g.name] < 1:
            raise BenchError(f"the budget {budget.label} leaves nothing of {g.name} ({g.width} channels)",
                             "remove less of it, or use a method that keeps at least one channel of a layer")
        if widths[g.name] > g.width:
            raise BenchError(f"the budget keeps {widths[g.name]} channels of {g.name}, which has {g.width}", "give at most its width")
    _check_reads(budget, model, groups, widths)
    return Budget(widths=widths, scope=budget.scope, reads=budget.reads, name=budget.label)


def rescued(budget: Budget, groups: Sequence[Group]) -> list[str]:
    """Groups of which a ratio leaves nothing, so that only `keep_at_least` saved them."""
    return [] if budget.macs is not None or budget.params is not None else [g.name for g in groups if budget.keep(g) < 1]


def uniform(budget: Budget, trace: Trace, model: nn.Module, groups: Sequence[Group]) -> Budget:
    """Widths by one ratio for all `groups`, with multiply-adds as near as they come to what `budget` leaves.

    An exact match of every width by some ratio is found; otherwise the nearest step of the cost is taken.
    """
    scope = "inner" if all(g.inner for g in groups) else "all"
    asked = resolve(budget, trace, model, scope)
    target = size(trace, model, groups, asked.widths)[0]
    widths = _nearest(groups, 1, lambda w: size(trace, model, groups, w)[0], target, budget.round_to)
    return Budget(widths=widths, scope=budget.scope, name=f"uniform-{budget.label}")


def shapes(model: nn.Module, groups: Sequence[Group], widths: Mapping[str, int],
           reads: Mapping[str, int] | None = None) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter and buffer of the network cut to `widths`, and to the input channels in `reads`, by name."""
    tensors = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    found = {name: list(t.shape) for name, t in tensors}
    for g in groups:
        for use in g.uses:
            found[use.tensor][use.dim] -= (g.width - widths.get(g.name, g.width)) * use.at.shape[1]
    for name, count in numbers.left(model, groups, {g.name: g.width - widths.get(g.name, g.width) for g in groups}).items():
        found[name] = [count]
    for path, count in (reads or {}).items():
        if count < found[f"{path}.weight"][1]:
            found[f"{path}.weight"][1], found[f"{path}.reads"] = count, [count]
    return {name: tuple(shape) for name, shape in found.items()}


def size(trace: Trace, model: nn.Module, groups: Sequence[Group], widths: Mapping[str, int],
         reads: Mapping[str, int] | None = None) -> tuple[int, int]:
    """(multiply-adds, parameters) of the network cut to `widths` and `reads`, from the traced positions alone: nothing is sliced or
    exported."""
    cut = shapes(model, groups, widths, reads)
    macs = sum(positions * math.prod(cut[name]) for name, positions in trace.positions if name in cut)
    return macs, sum(math.prod(cut[name]) for name, _ in model.named_parameters())


def _check_names(budget: Budget, known: Sequence[Group], groups: Sequence[Group]) -> None:
    names, everywhere = [g.name for g in groups], [g.name for g in known]
    for name in budget.widths:
        if name not in names:
            raise _no_group(name, name in everywhere, names)
    for glob in budget.ratios:
        if not any(fnmatchcase(n, glob) for n in names):
            raise _no_group(glob, any(fnmatchcase(n, glob) for n in everywhere), names)


def _check_reads(budget: Budget, model: nn.Module, groups: Sequence[Group], widths: Mapping[str, int]) -> None:
    for path, count in budget.reads.items():
        inputs = reader(model, path).weight.shape[1]
        if count > inputs:
            raise BenchError(f"the budget lets {path} read {count} channels, and its input has {inputs}", "give at most as many")
        cut = [g.name for g in groups if widths[g.name] < g.width and any((u.tensor, u.dim) == (f"{path}.weight", 1) for u in g.uses)]
        if cut:
            raise BenchError(f"the budget cuts {cut[0]} and says what {path} reads of it", "leave out one of the two")


def _no_group(name: str, elsewhere: bool, names: list[str]) -> BenchError:
    if elsewhere:
        return BenchError(f"{name!r} is outside the budget's scope", "add `scope: all` to the budget")
    return unknown("group", name, names)


def _solve_share(budget: Budget, trace: Trace, model: nn.Module, groups: Sequence[Group], least: int) -> dict[str, int]:
    which, share = (0, budget.macs) if budget.macs is not None else (1, budget.params)
    dense = size(trace, model, groups, {})[which]
    widths = _nearest(groups, least, lambda w: size(trace, model, groups, w, budget.reads)[which], dense * (1 - Fraction(str(share))),
                      budget.round_to)
    achieved = 1 - size(trace, model, groups, widths, budget.reads)[which] / dense
    check_share(budget, achieved)
    return widths


def check_share(budget: Budget, achieved: float) -> None:
    """BenchError (not_applicable), naming the nearest value, unless `achieved` lies within 2 points of the share asked for."""
    key, share = ("macs", budget.macs) if budget.macs is not None else ("params", budget.params)
    if share is not None and abs(achieved - share) > TOLERANCE:
        raise BenchError(f"{key}={share:g} is out of reach: the nearest is {key}={achieved:.4f}",
                         f"ask for {key}={achieved:.3f}, or widen the scope (scope: all)", kind="not_applicable")


def _nearest(groups: Sequence[Group], least: int, cost: Callable[[Mapping[str, int]], int], target: int | Fraction,
             multiple: int | None = None) -> dict[str, int]:
    """Widths by one ratio whose cost is nearest to `target`, leaving no layer empty.

    Widths are step functions of the ratio: floor(w (1 - r)) is constant for r in ((k-1)/w, k/w]. So every vector of widths that
    some ratio gives is given at one of the breakpoints k/w, in exact arithmetic, and the cost falls from one to the next.
    multiple: of what each width is one (`rounded`). Steps are then as coarse as that, and all layers of one width take them at once; so between
    the two vectors around the target layers take the last step one by one, in network order.
    """
    def widths(r: Fraction) -> dict[str, int]:
        return {g.name: rounded(max(math.floor(g.width * (1 - r)), least, 1), g.width, multiple) for g in groups}

    cuts = sorted({Fraction(k, w) for w in {g.width for g in groups} for k in range(w)})
    if not least and not multiple:  # a layer may not be emptied: stop at the last ratio that leaves one channel of the narrowest
        narrow = min(g.width for g in groups)
        cuts = [r for r in cuts if r <= Fraction(narrow - 1, narrow)]
    low, high = 0, len(cuts) - 1
    while low < high:  # the first cut whose cost is at or below the target
        middle = (low + high) // 2
        low, high = (low, middle) if cost(widths(cuts[middle])) <= target else (middle + 1, high)
    around = [widths(cuts[i]) for i in (low, max(low - 1, 0))]
    if multiple:
        around = _steps(*around)
    far = [abs(Fraction(cost(w)) - target) for w in around]
    return around[far.index(min(far))]


def _steps(narrow: dict[str, int], wide: dict[str, int]) -> list[dict[str, int]]:
    """The vectors from `narrow` to `wide`, with one layer more of `wide` in each, the last layers first."""
    found = [narrow]
    for name in reversed([name for name in narrow if narrow[name] != wide[name]]):
        found.append({**found[-1], name: wide[name]})
    return found
