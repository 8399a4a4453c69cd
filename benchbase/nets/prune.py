"""One network pruned once: the method chooses, the core checks the choice, cuts, and checks the cut."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from benchbase.errors import BenchError
from benchbase.nets import numbers, seeded, solve
from benchbase.nets.cost import cost
from benchbase.nets.cut import Chosen, Small, cut, outputs, sliced
from benchbase.nets.foresee import changed, check_asked, foresee
from benchbase.nets.gather import ChannelSelect
from benchbase.nets.graph import Trace, read
from benchbase.nets.method import Method
from benchbase.nets.net import Net, private_copy
from benchbase.nets.reads import READING
from benchbase.nets.stream import Stream
from benchbase.nets.verify import method_error, supervised, verified
from benchbase.nets.weights import digest_of
from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget, budget_of
from benchbase.values.results import html_table
from benchbase.values.selection import Selection

PROBES = 14  # selections tried to meet a share of multiply-adds with an automatic method


@dataclass(frozen=True)
class Pruned:
    """A pruned network. model: a new module of the smaller shapes, in eval mode.  report: as in report.json of the pruned folder."""

    model: nn.Module
    selection: Selection
    architecture: Architecture
    report: dict[str, Any]

    @property
    def masks(self) -> Mapping[str, Tensor]:
        """Parameter name -> bool tensor, True stays; empty unless single weights were pruned."""
        return self.selection.masks

    def _repr_html_(self) -> str:
        names = {"params": "parameters", "macs": "multiply-adds", "nonzero": "nonzero parameters"}
        rows = [[told, *(f"{self.report[name][when]:,}" for when in ("dense", "pruned")),
                 f"{100 * (1 - self.report[name]['pruned'] / max(self.report[name]['dense'], 1)):.1f} %"] for name, told in names.items()]
        return html_table(("", "dense", "pruned", "removed"), rows, self.architecture.model)


def prune(model: nn.Module, method: Method | type[Method], budget: Any, data: Any = None, example: Any = None, seed: int = 0) -> Pruned:
    """Prune `model` once. The model is never changed; `Pruned.model` is a new one.

    method: an instance or a class.  budget: a Budget, a number (fraction of channels removed), "macs=0.5" or a dict.  data: an iterable of
    (images, labels) batches, or None for methods that read weights only.  example: one input batch, taken from data when left out.
    Raises BenchError for a budget that does not fit, a method that breaks its contract, a network that cannot be cut.
    """
    if not isinstance(model, nn.Module):
        raise BenchError(f"cannot prune {type(model).__name__}", "give a torch.nn.Module")
    if isinstance(method, type) and issubclass(method, Method):
        method = method()
    if not isinstance(method, Method):
        raise BenchError(f"{method!r} is not a method", "give an instance of a benchbase.Method")
    if example is None:
        if data is None:
            raise BenchError("neither data nor an example was given", "give example=one batch of inputs")
        with seeded.seeded(seed):
            example = next(iter(data))[0]
    return prune_network(model, method, budget if isinstance(budget, Budget) else budget_of(budget), data, example, seed)


def prune_network(model: nn.Module, method: Method, budget: Budget, data: Iterable[Any] | None, example: Any, seed: int = 0,
                  architecture: Architecture | None = None, tuner: Callable[..., None] | None = None,
                  trace: Trace | None = None) -> Pruned:
    """Trace, choose on a private copy, verify, slice, and check that the zeroed network and the sliced one agree.

    example: one input batch (n, ...) with n >= 2.  architecture: what the dense model is called; by default its class.
    tuner: how a method trains between its choices (`Net.tune`); None: it cannot.  trace: of a network of this architecture, whatever
    its weights; read where it is left out.
    The caller's random state is untouched. Failures of the method are BenchErrors of kind "method_error"; a budget out of reach, or
    a network that cannot be cut as chosen, of kind "not_applicable".
    """
    budget.known()
    started = time.perf_counter()
    with seeded.seeded(seed):
        example = pytree.tree_map_only(Tensor, lambda t: t.to(_device(model)), example)
        trace = trace or read(model, example)
        check_asked(method, budget)
        if _decides(method) and method.granularity != "block" and (budget.macs is not None or budget.params is not None):
            chosen = _bisect(model, method, budget, data, example, seed, trace, tuner)
        else:
            resolved = budget if _decides(method) else foresee(model, method, budget, trace).budget
            chosen = _choose(model, method, resolved, data, seed, trace, tuner)
        small = cut(chosen, example)
        dense = architecture or named(model, example)
        report = _report(chosen, small, method, budget, model, time.perf_counter() - started)
    return Pruned(small.model, chosen.selection, architecture_after(dense, model, small.model, chosen.selection, chosen.net.groups), report)


def named(model: nn.Module, example: Any) -> Architecture:
    """The dense architecture of a model without a name: its class, its number of outputs, the shape of one input."""
    first = example[0] if isinstance(example, (tuple, list)) else example
    classes = next((t.shape[-1] for t in outputs(model, example) if t.dim()), 1)
    return Architecture(type(model).__name__, int(classes), tuple(first.shape[1:]))


def architecture_after(dense: Architecture, before: nn.Module, after: nn.Module, selection: Selection, groups: Iterable[Any]) -> Architecture:
    """The architecture of the cut network: only what shrank, so that equal shapes have equal digests whatever the method."""
    widths = {g.name: len(selection.kept[g.name]) for g in groups if len(selection.kept[g.name]) < g.width}
    counted = {name: (value,) for name, value in numbers.moved(before, after, groups).items()}
    return replace(dense, shapes={**dense.shapes, **changed(before, solve.shapes(after, (), {})), **counted}, widths={**dense.widths, **widths},
                   selects={**dense.selects, **gathers(before, after)}, dropped=(*dense.dropped, *selection.dropped),
                   masks=digest_of(selection.masks) if selection.masks else dense.masks)


def gathers(before: nn.Module, after: nn.Module) -> dict[str, tuple[int, ...]]:
    """What each gather reads of its stream, and each layer that has become one: indices that no shape tells."""
    whole = {name: m for name, m in before.named_modules() if isinstance(m, ChannelSelect)}
    found = {name: m.index for name, m in after.named_modules() if isinstance(m, ChannelSelect) and len(m.index) < len(whole[name].index)}
    reading: list[tuple[str, Any]] = [(name, m) for name, m in after.named_modules() if isinstance(m, READING)]
    found |= {name: m.reads for name, m in reading}
    return {name: tuple(index.tolist()) for name, index in found.items()}


def _decides(method: Method) -> bool:
    return method.target != "predefined" or method.granularity != "channel"


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _choose(model: nn.Module, method: Method, budget: Budget, data: Any, seed: int, trace: Trace, tuner: Any) -> Chosen:
    """The method's verified choice on a private copy in eval mode, whose weights it may have edited."""
    twin = private_copy(model).eval()
    scope = solve.scope_of(budget, method.scope, trace.groups)
    groups = tuple(g for g in trace.groups if scope == "all" or g.inner)
    if method.granularity == "channel":
        groups = solve.in_scope(trace.groups, scope)
    net = Net(twin, trace, torch.Generator().manual_seed(seed), groups, tuner=tuner)
    with supervised(method.name, twin):
        selection = method.select(net, Stream(data, method.name, seed, _device(model)), budget)
    selection = verified(method.name, selection, twin, groups, None if _decides(method) else budget)
    if budget.dropped and {*selection.dropped} != {*budget.dropped}:
        raise method_error(method.name, f"it drops {', '.join(selection.dropped) or 'nothing'}, the budget says {', '.join(budget.dropped)}",
                           "drop the blocks of budget.dropped")
    if selection.masks and (selection.reads or any(len(k) < g.width for g, k in zip(groups, selection.kept.values()))):
        raise method_error(method.name, "it prunes channels and single weights at once", "return kept or masks, not both")
    return Chosen(net, selection)


def _bisect(model: nn.Module, method: Method, budget: Budget, data: Any, example: Any, seed: int, trace: Trace, tuner: Any) -> Chosen:
    """The choice of an automatic method whose share of multiply-adds or parameters is nearest to the one asked, by its ratio."""
    key, share = ("macs", budget.macs) if budget.macs is not None else ("params", budget.params)
    assert share is not None
    total = getattr(cost(trace, dict(model.named_parameters())), key)
    low, high, best, failure = 0.0, 1.0, None, None
    for _ in range(PROBES):
        ratio = round((low + high) / 2, 9)
        try:
            chosen = _choose(model, method, Budget(ratio=ratio, scope=budget.scope, name=budget.label), data, seed, trace, tuner)
        except BenchError as error:  # too much: a layer lost everything
            failure, high = failure or error, ratio
            continue
        removed = 1 - _left(chosen, key, example) / total
        if best is None or abs(removed - share) < abs(best[0] - share):
            best = (removed, chosen)
        if abs(removed - share) < 1e-3:
            break
        low, high = (low, ratio) if removed > share else (ratio, high)
    if best is None:
        assert failure is not None
        raise failure
    solve.check_share(budget, best[0])
    return best[1]


def _left(chosen: Chosen, key: str, example: Any) -> int:
    """Multiply-adds or parameters that a choice leaves; masked weights do not count."""
    small = sliced(chosen, example)[0]
    count = cost(chosen.net.trace, dict(small.named_parameters()))
    if chosen.selection.masks:
        return count.macs_nonzero if key == "macs" else count.nonzero
    return count.macs if key == "macs" else count.params


def _report(chosen: Chosen, small: Small, method: Method, asked: Budget, model: nn.Module, seconds: float) -> dict[str, Any]:
    before, after, groups = cost(chosen.net.trace, dict(model.named_parameters())), small.cost, chosen.net.groups
    both = {key: {"dense": getattr(before, key), "pruned": getattr(after, key)} for key in ("params", "macs", "nonzero", "macs_nonzero")}
    if method.granularity == "block":
        blocks = len(chosen.net.blocks)
        both["blocks"] = {"dense": blocks, "pruned": blocks - len(chosen.selection.dropped)}
    width = sum(g.width for g in groups)
    stay = sum(len(chosen.selection.kept[g.name]) for g in groups)
    least = solve.rescued(asked, groups) if method.keep_at_least and not _decides(method) else []
    achieved = {"channels": 1 - stay / width if width else 0.0}
    achieved |= {key: 1 - v["pruned"] / v["dense"] if v["dense"] else 0.0 for key, v in both.items()}
    if masks := chosen.selection.masks.values():
        achieved["weights"] = 1 - sum(int(m.sum()) for m in masks) / sum(m.numel() for m in masks)
    return {**both, "rescued": [*least, *(n for n in chosen.net.rescued if n not in least)], "asked": asked.to_json(),
            "achieved": {k: round(v, 6) for k, v in achieved.items()}, "seconds": round(seconds, 3), "equivalence": small.equivalence}
