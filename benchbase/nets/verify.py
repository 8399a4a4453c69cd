"""Nothing a method returns is taken on trust."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchbase.errors import METHOD_FAULT, BenchError, raised, unknown
from benchbase.nets import seeded
from benchbase.nets.reads import reader
from benchbase.values.budget import Budget
from benchbase.values.selection import Selection

if TYPE_CHECKING:
    from benchbase.nets.groups import Group

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")


def method_error(name: str, what: str, todo: str = "") -> BenchError:
    """The failure of a method, by its name: the cell fails, the run goes on."""
    return BenchError(f"{name}: {what}", todo or METHOD_FAULT, kind="method_error")


@dataclass(frozen=True)
class Before:
    """What a method finds, and must leave as it is: global generators, modes, hooks, shapes by name."""

    random: tuple[Any, ...]
    modes: Mapping[str, bool]
    hooks: list[tuple[str, int]]
    shapes: Mapping[str, tuple[int, ...]]


def before(model: nn.Module) -> Before:
    """The state of the generators and of `model`, to be compared by `left`."""
    return Before(seeded.global_state(), _modes(model), _hooks(model), _shapes(model))


def left(was: Before, model: nn.Module, drawn: str) -> Iterator[tuple[str, str, str]]:
    """What a method has left behind on `model`, as (rule, what, what to do): hooks, shapes, random-state, modes, finite.

    drawn: the global generator that it drew from, "" for none.
    """
    if _hooks(model) != was.hooks:
        yield "hooks", "it left hooks on the model", "remove them before select returns"
    if (now := _shapes(model)) != was.shapes:
        changed = next(k for k in (*was.shapes, *now) if was.shapes.get(k) != now.get(k))
        yield ("shapes", f"it changed the shape or the names of parameters ({changed})",
               "edit values only: the core slices what the selection leaves out")
    if drawn:
        yield "random-state", f"it drew from {drawn}'s global generator", "draw from net.generator"
    switched = [(n, mode) for n, mode in _modes(model).items() if was.modes.get(n, mode) != mode]
    if switched:
        where, training = switched[0]
        yield "modes", f"it left {where or 'the model'} in {'train' if training else 'eval'} mode", "put the mode back before select returns"
    if bad := next((n for n, t in model.state_dict().items() if t.is_floating_point() and not _finite(t)), None):
        yield "finite", f"it left nan or infinity in {bad}", "leave finite weights: something is divided by zero, or overflows"


@contextmanager
def supervised(name: str, model: nn.Module) -> Iterator[None]:
    """Run a method's code on `model`, and hold it to leaving everything but weights as it was.

    BenchError (method_error) when the method raises, draws from a global generator, leaves modules in another mode, leaves hooks,
    adds, drops or reshapes parameters, or leaves weights that are not finite. Global generators are put back in any case.
    """
    import rich.style  # noqa: F401 -- it draws from random's global generator when it is first imported, which is no method's doing

    was = before(model)
    try:
        yield
    except BenchError as error:
        raise (error if error.kind != "usage" else method_error(name, error.what, error.todo)) from None
    except (Exception, SystemExit) as error:  # whatever it raises is its failure, and the cell's alone
        raise method_error(name, raised(error)) from error
    finally:
        drawn = seeded.moved(was.random, seeded.global_state())
        seeded.restore(was.random)
    for _, what, todo in left(was, model, drawn):
        raise method_error(name, what, todo)


def verified(name: str, selection: Any, model: nn.Module, groups: Sequence[Group], budget: Budget | None) -> Selection:
    """The selection with plain ascending indices for every group in scope, in network order.

    budget: with a width for each group where the target is predefined, else None.
    BenchError (method_error) naming the method and what is wrong.
    """
    if not isinstance(selection, Selection):
        raise method_error(name, f"select returned {type(selection).__name__}, not a Selection", "return benchbase.Selection({group name: indices})")
    for field in ("kept", "reads", "masks"):
        if not isinstance(getattr(selection, field), Mapping) or not all(isinstance(n, str) for n in getattr(selection, field)):
            raise method_error(name, f"Selection.{field} is no table by name", "return a dict with names of groups, layers or parameters as keys")
    if not isinstance(selection.dropped, (tuple, list)) or len({str(b) for b in selection.dropped}) < len(selection.dropped):
        raise method_error(name, "Selection.dropped is no tuple of blocks", "return the path of each block once")
    known = {g.name: g for g in groups}
    if stray := next((n for n in selection.kept if n not in known), None):
        error = unknown("group", str(stray), known)
        raise method_error(name, error.what, error.todo)
    kept = {g.name: _indices(name, g.name, g.width, selection.kept[g.name]) if g.name in selection.kept else tuple(range(g.width)) for g in groups}
    for g in groups:
        if budget is not None and len(kept[g.name]) != budget.keep(g):
            raise method_error(name, f"it keeps {len(kept[g.name])} of {g.width} channels of {g.name}, the budget says {budget.keep(g)}",
                               "keep budget.keep(group) channels, or declare target = \"automatic\"")
    for block in selection.dropped:
        if not isinstance(block, str) or block not in dict(model.named_modules()):
            raise method_error(name, f"it drops {str(block)[:100]!r}, which is no module of this network")
    masks = {n: _mask(name, n, m, model) for n, m in selection.masks.items()}
    return Selection(kept, _reads(name, selection.reads, model, budget), tuple(selection.dropped), masks)


def _reads(name: str, given: Mapping[str, Any], model: nn.Module, budget: Budget | None) -> dict[str, tuple[int, ...]]:
    """The input channels that layers read, by path; a layer that reads all of them is left out."""
    found = {}
    for path, indices in given.items():
        try:
            width = reader(model, path).weight.shape[1]
        except BenchError as error:
            raise method_error(name, error.what, error.todo) from None
        found[path] = _indices(name, f"the input of {path}", width, indices)
        asked = width if budget is None else budget.reads.get(path, width)
        if budget is not None and len(found[path]) != asked:
            raise method_error(name, f"{path} reads {len(found[path])} of {width} channels, the budget says {asked}",
                               "let each layer read as many channels as budget.reads says")
        if len(found[path]) == width:
            del found[path]
    if missing := next((path for path in (budget.reads if budget is not None else ()) if path not in given), None):
        raise method_error(name, f"it does not say what {missing} reads", "give Selection.reads for every layer of budget.reads")
    return found


def _indices(name: str, what: str, width: int, given: Any) -> tuple[int, ...]:
    where = f"{what} ({width} channels)"
    try:
        values = given.tolist() if hasattr(given, "tolist") else list(given)
        whole = isinstance(values, list) and not isinstance(given, (str, bytes)) and all(type(i) is int for i in values)
    except Exception:  # noqa: BLE001 -- whatever a method returned may do anything when it is looked at
        whole, values = False, [type(given).__name__]
    if not whole:
        raise method_error(name, f"the indices of {where} are not whole numbers: {str(values)[:60]}", "give the indices of the channels that stay")
    if not values:
        raise method_error(name, f"nothing is left of {where}", "keep at least one channel, or declare keep_at_least = 1 and keep the best")
    if min(values) < 0 or max(values) >= width:
        raise method_error(name, f"index {str(min(values) if min(values) < 0 else max(values))[:20]} of {where} is out of range",
                           f"indices go from 0 to {width - 1}: is there one score for each channel, as for each row of net.filters(group)?")
    if len(set(values)) != len(values):
        raise method_error(name, f"an index of {where} comes twice", "give each index once")
    if sorted(values) != values:
        raise method_error(name, f"the indices of {where} are not ascending", "sort them: sorted(indices)")
    return tuple(values)


def _mask(name: str, parameter: str, mask: Any, model: nn.Module) -> Tensor:
    parameters = dict(model.named_parameters())
    if parameter not in parameters:
        error = unknown("parameter", str(parameter), parameters)
        raise method_error(name, error.what, error.todo)
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != parameters[parameter].shape:
        raise method_error(name, f"the mask of {parameter} is not a bool tensor of its shape {tuple(parameters[parameter].shape)}")
    if not mask.any():
        raise method_error(name, f"nothing is left of {parameter}", "keep at least one weight of each layer")
    return mask.detach().to("cpu").clone()


def _modes(model: nn.Module) -> Mapping[str, bool]:
    return {name: m.training for name, m in model.named_modules()}


def _hooks(model: nn.Module) -> list[tuple[str, int]]:
    counts = [(f"{n}.{kind}", len(getattr(m, kind, ()))) for n, m in model.named_modules() for kind in HOOKS]
    return [c for c in counts if c[1]] + [(n, len(p._backward_hooks)) for n, p in model.named_parameters() if p._backward_hooks]


def _finite(t: Tensor) -> bool:
    """Whether no entry is nan or infinite. The sum has one if any entry has, and is quicker; it may overflow without."""
    return bool(t.sum().isfinite()) or bool(t.isfinite().all())


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(t.shape) for name, t in model.state_dict().items()}
