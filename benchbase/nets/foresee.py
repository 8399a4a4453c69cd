"""What a budget comes to on a network, before any training."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from benchbase.errors import METHOD_FAULT, BenchError, unknown
from benchbase.nets.cost import cost
from benchbase.nets.net import Net, private_copy
from benchbase.nets.shortcut import blocks_of, drop_
from benchbase.nets.solve import check_share, in_scope, resolve, scope_of, shapes, size
from benchbase.values.budget import Budget
from benchbase.values.cost import Cost

if TYPE_CHECKING:
    from benchbase.nets.graph import Trace


@dataclass(frozen=True)
class Foreseen:
    """budget: with a width for each group of a predefined target, else as asked.  shapes, pruned: of the network it will be, None
    where the method decides.  widths: channels that stay of each group, for people.  dense: cost of the whole network.  dropped: blocks
    that the budget names, in network order."""

    budget: Budget
    shapes: Mapping[str, tuple[int, ...]] | None
    widths: Mapping[str, int]
    dense: Cost
    pruned: Cost | None
    dropped: tuple[str, ...] = ()


def foresee(model: nn.Module, method: Any, budget: Budget, trace: Trace) -> Foreseen:
    """What `budget` comes to for `method` on `model`. No weight is looked at.

    Raises BenchError as `resolve` does: kind "not_applicable" where the budget is out of reach of this network, or of the method.
    """
    check_asked(method, budget)
    gone = named_blocks(model, method, budget)
    budget.known()
    macs, params = size(trace, model, (), {})
    dense = Cost(params, macs, params, macs)
    scope = scope_of(budget, method.scope, trace.groups)
    groups = in_scope(trace.groups, scope) if method.granularity == "channel" else trace.groups
    if gone:
        small = private_copy(model)
        drop_(small, gone)
        left = cost(trace, dict(small.named_parameters()))
        return Foreseen(budget, {}, {}, dense, Cost(left.params, left.macs, left.params, left.macs), gone)
    if method.target != "predefined" or method.granularity != "channel":
        return Foreseen(budget, None, {}, dense, None)
    net = Net(private_copy(model), trace, torch.Generator().manual_seed(0), groups)
    fitted = resolve(fit(method, net, budget), trace, model, scope, method.keep_at_least)
    macs, params = size(trace, model, groups, fitted.widths, fitted.reads)
    check_share(budget, 1 - (macs / dense.macs if budget.macs is not None else params / dense.params))
    cut = shapes(model, groups, fitted.widths, fitted.reads)
    return Foreseen(fitted, changed(model, cut), fitted.widths, dense, Cost(params, macs, params, macs))


def fit(method: Any, net: Net, budget: Budget) -> Budget:
    """What the method makes of the budget. Whatever else than a BenchError it raises is its failure, kind "method_error"."""
    try:
        fitted = method.fit(net, budget)
        if not isinstance(fitted, Budget):
            raise TypeError(f"it gave {type(fitted).__name__}, not a Budget")
        return fitted
    except BenchError:
        raise
    except (Exception, SystemExit) as error:
        raise BenchError(f"{method.name}: fit: {type(error).__name__}: {error}"[:500], METHOD_FAULT,
                         "method_error") from error


def named_blocks(model: nn.Module, method: Any, budget: Budget) -> tuple[str, ...]:
    """The blocks that a budget names, in network order.

    Raises BenchError for a name that is no block, and (not_applicable) for a method that drops none, or a network without any.
    """
    if method.granularity != "block":
        if budget.dropped:
            raise BenchError(f"{method.name} drops no blocks, and the budget {budget.label} names those that go", "take a method that does (sss)",
                             kind="not_applicable")
        return ()
    blocks = [block.path for block in blocks_of(model)]
    if not blocks:
        raise BenchError(f"{method.name} drops residual blocks, and the network has none", "use a network of blocks that add a branch to a shortcut",
                         kind="not_applicable")
    if stray := next((name for name in budget.dropped if name not in blocks), None):
        raise unknown("block", stray, blocks)
    return tuple(name for name in blocks if name in budget.dropped)


def check_asked(method: Any, budget: Budget) -> None:
    """BenchError (not_applicable) where the budget says what the method does not choose: what layers read of a stream, or that widths be multiples."""
    if budget.reads and not method.gathers:
        raise BenchError(f"{method.name} does not choose what a layer reads of a stream, and the budget {budget.label} asks for it",
                         "take a method that does, or a budget without reads", kind="not_applicable")
    if budget.round_to and (method.target != "predefined" or method.granularity != "channel"):
        what = "decides itself how many channels each layer keeps" if method.granularity == "channel" else f"prunes no channels, but {method.granularity}s"
        raise BenchError(f"{method.name} {what}, and the budget {budget.label} rounds widths", "take a method that keeps what the budget says (l1-norm), "
                         "or leave round_to out", kind="not_applicable")


def changed(dense: nn.Module, after: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of `after` that differ from the dense network's, by name."""
    before = shapes(dense, (), {})
    return {name: shape for name, shape in sorted(after.items()) if before.get(name) != shape}
