"""What comes right behind a layer: the batch norm that scales its output, and the shortcut that is added to it."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.fx import Node

from benchbase.nets.interpret import bound, operation, tensor_of

LAYERS = {"conv1d", "conv2d", "conv3d", "linear"}


@dataclass(frozen=True)
class Join:
    """Behind a layer.  norm: the batch norm that alone reads its output, or None.  shortcut: what is added next, or None."""

    norm: Node | None = None
    shortcut: Node | None = None


@dataclass(frozen=True)
class Behind:
    """The same while the network runs.

    bias, mean: the layer's own bias, and the running mean of the norm behind it, live; None where there is none.  scale: what the norm
    multiplies each output by, (outputs,).  shortcut: what is added, a batch each, in the pruned network and in the dense one.
    """

    bias: Tensor | None = None
    mean: Tensor | None = None
    scale: Tensor | None = None
    shortcut: tuple[Sequence[Tensor], Sequence[Tensor]] | None = None


def behind(model: nn.Module, layer: Node, join: Join, names: dict[Node, str], shortcut: tuple[Sequence[Tensor], Sequence[Tensor]] | None) -> Behind:
    """What stands behind `layer` in `model`. names: placeholder -> parameter or buffer."""
    def live(node: Node | None) -> Tensor | None:
        return tensor_of(model, names[node]) if node in names else None

    bias = live(bound(layer)["bias"])
    if join.norm is None:
        return Behind(bias, shortcut=shortcut)
    args = bound(join.norm)
    weight, mean, variance = (live(args[k]) for k in ("weight", "running_mean", "running_var"))
    if mean is None or variance is None:
        return Behind(bias, shortcut=shortcut)
    scale = (variance + args["eps"]).rsqrt()
    return Behind(bias, mean, (scale if weight is None else scale * weight).detach(), shortcut)


def joins(nodes: Sequence[Node], layers: Iterable[Node]) -> dict[Node, Join]:
    """Layer -> what is right behind it. Of two layers whose outputs meet in one addition, the one with more layers before it is the
    branch and the other belongs to the shortcut."""
    place = {node: i for i, node in enumerate(nodes)}
    found: dict[Node, Join] = {}
    meeting: dict[Node, list[Node]] = {}
    for layer in layers:
        norm = _norm(layer)
        found[layer] = Join(norm)
        end = norm or layer
        added = _only_user(end)
        if added is not None and operation(added) in ("add", "add_") and _plain_sum(added):
            meeting.setdefault(added, []).append(layer)
    for added, ends in meeting.items():
        layer = max(ends, key=lambda end: (_depth(end), place[end]))
        end = found[layer].norm or layer
        other: Any = added.args[1] if added.args[0] is end else added.args[0]
        if layer not in above(other):
            found[layer] = Join(found[layer].norm, other)
    return found


def ordered(nodes: Sequence[Node], found: dict[Node, Join]) -> tuple[list[Node], dict[Node, Join]]:
    """The nodes in an order in which every shortcut is computed before the layer that it is added to, and the joins for which there is one.

    A shortcut is left out where an operation between works in place: it may not change its place then.
    """
    order, held = list(nodes), dict(found)
    for layer, join in found.items():
        if join.shortcut is None:
            continue
        place = {node: i for i, node in enumerate(order)}
        start, end = place[layer], place[join.shortcut]
        between = order[start:end + 1]
        changed = [n for n in join.shortcut.users if n is not _only_user(join.norm or layer) and place[n] > start and n.args[0] is join.shortcut]
        if any(map(_in_place, [*between, *changed])):
            held[layer] = Join(join.norm)
        elif between:
            needed = above(join.shortcut)
            order[start:end + 1] = [n for n in between if n in needed] + [n for n in between if n not in needed]
    return order, held


def above(node: Node) -> set[Node]:
    """The node and all that it is computed from."""
    seen, todo = {node}, [node]
    while todo:
        for source in todo.pop().all_input_nodes:
            if source not in seen:
                seen.add(source)
                todo.append(source)
    return seen


def _norm(layer: Node) -> Node | None:
    """The batch norm in eval mode that alone reads a layer's output."""
    user = _only_user(layer)
    return user if user is not None and operation(user) == "batch_norm" and user.args[0] is layer and not bound(user)["training"] else None


def _plain_sum(node: Node) -> bool:
    """Whether it adds two different values of one shape, as they are."""
    sides = node.args[:2]
    same_shape = all(isinstance(a, Node) and getattr(a.meta.get("val"), "shape", None) == node.meta["val"].shape for a in sides)
    return same_shape and sides[0] is not sides[1] and bound(node).get("alpha", 1) == 1


def _only_user(node: Node) -> Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _depth(node: Node) -> int:
    return sum(n.op == "call_function" and operation(n) in LAYERS for n in above(node))


def _in_place(node: Node) -> bool:
    return node.op == "call_function" and bool(getattr(getattr(node.target, "_schema", None), "is_mutable", False))
