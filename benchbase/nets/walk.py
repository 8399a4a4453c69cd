"""Layer by layer through a network: one pass over its graph, all samples at the frontier, a stop wherever channels are read.

A removed channel leaves the pruned stream at its readers: their weights for it are set to zero before they run, and nothing else lets
it out (norms, activations and depthwise convolutions keep channels apart). What wrote it is set to zero once the walk is over, so that
later readers of the same group still see what they lose.
"""
from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.fx import Node

from benchbase.errors import BenchError
from benchbase.nets.interpret import Frontier, Runnable, operation, runnable, tensor_of
from benchbase.nets.joins import behind, joins, ordered
from benchbase.nets.step import Step
from benchbase.nets.window import geometry

if TYPE_CHECKING:
    from benchbase.nets.groups import Group, Use
    from benchbase.nets.net import Net

READERS = ("conv1d", "conv2d", "conv3d", "linear")
MIXERS = {"matmul", "mm", "bmm", "addmm", "baddbmm", "addbmm", "mv", "dot", "inner", "einsum", "tensordot", "bilinear", "convolution",
          "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "scaled_dot_product_attention", *READERS}


def walk(net: Net, images: Any, groups: Iterable[Group] | None = None, dense: bool = False, batch_size: int = 64,
         to_end: bool = False) -> Generator[Step, None, list[Tensor] | None]:
    """Step through `net.model` in eval mode; stop at every layer that reads channels of `groups` (default: all of `net.groups`).

    images: (n, channels, height, width), or a list of such batches; run at most batch_size at a time, so that what an operation writes lies
    in the cache, or in memory already mapped. A batch that is a tuple of a model's several inputs is run whole.
    dense: carry the network as it was beside the pruned one.
    Groups that no stop reads come first, without inputs. A group for which `keep` is not called stays whole. The walk ends after the last
    stop, or with to_end=True after the outputs, which the generator returns: the outputs of the pruned network, one a batch.
    Edits of weights take effect as soon as a later operation reads them. Memory: the live values of all images; time: one forward
    pass, with dense two. Net.model is whole (every group that was chosen is zero everywhere) when the generator has ended or is closed.
    """
    wanted = tuple(net.groups if groups is None else groups)
    batches = _batches(images, batch_size)
    ready = runnable(net.model, net.trace.program, batches[0])
    batches, sizes = _tied(batches, ready.batch)
    stops = _stops(ready, wanted)
    order, joined = ordered(ready.nodes, joins(ready.nodes, stops)) if dense else (ready.nodes, joins(ready.nodes, stops))
    first = {group.name for found in stops.values() for group, _ in found}
    streams = [Frontier(ready, partial(tensor_of, net.model))]
    originals: dict[str, Tensor] = {}
    if dense:
        originals = {n: tensor_of(net.model, n).detach().clone() for n in ready.tensors.values()}
        streams.append(Frontier(ready, originals.__getitem__))
    for stream in streams:
        stream.start(batches)
    chosen: dict[str, tuple[int, ...]] = {}
    try:
        for group in wanted:
            if group.name not in first:
                yield Step(net, group, chosen=chosen)
        left, last = len(stops), _last_uses(order)
        for node in order:
            if not left and not to_end:
                return None
            if node.op == "output":
                return [_first(a, streams[0], i)[:n] for a in node.args for i, n in enumerate(sizes)]
            if node.op != "call_function":
                continue
            for group, use in stops.get(node, ()):
                read: Any = node.args[0]
                values = [[x[:n] for x, n in zip(s.values[read], sizes, strict=True)] for s in streams]
                aside = joined[node].shortcut if dense else None
                beside: Any = tuple([x[:n] for x, n in zip(s.values[aside], sizes, strict=True)] for s in streams) if aside else None
                after = behind(net.model, node, joined[node], ready.tensors, beside)
                step = Step(net, group, use, values[0], values[1] if dense else None, *geometry(node), originals.get(use.tensor), after, chosen)
                yield step
                if step.kept is not None:
                    step.keep()
                del values, beside, after, step
            left -= node in stops
            for stream in streams:
                stream.run(node, last.get(node, set()))
    finally:
        for group in wanted:
            if group.name in chosen:
                net.zero(group, chosen[group.name])
    return None


def _stops(ready: Runnable, groups: Sequence[Group]) -> dict[Node, list[tuple[Group, Use]]]:
    """Layer -> the groups that it reads. A group is left out where its channels also go another way than through such layers."""
    holders = {name: node for node, name in ready.tensors.items()}
    stops: dict[Node, list[tuple[Group, Use]]] = {}
    for group in groups:
        readers = {}
        for use in group.uses:
            node = _reader(holders.get(use.tensor), use)
            if node is not None:
                readers[node] = use
        entries = [(holders[u.tensor], u) for u in group.uses if u.tensor in holders and u not in readers.values()]
        if readers and not any(_escapes(node, use, ready, set(readers)) for node, use in entries):
            for node, use in readers.items():
                stops.setdefault(node, []).append((group, use))
    return stops


def _reader(holder: Node | None, use: Use) -> Node | None:
    """The one convolution or linear layer whose input channels `use` holds, or None."""
    if holder is None or use.dim != 1 or len(holder.users) != 1:
        return None
    node = next(iter(holder.users))
    return node if operation(node) in READERS and node.args[1] is holder else None


def _escapes(holder: Node, use: Use, ready: Runnable, readers: set[Node]) -> bool:
    """Whether the channels that parameter `holder` writes reach an operation that sums over channels and is no reader of the group."""
    seen, todo = {holder}, [(holder, user) for user in holder.users]
    while todo:
        source, node = todo.pop()
        if node in readers and node.args[0] is source:
            continue
        if operation(node) in MIXERS:
            direct = operation(node) in READERS and source is not node.args[0] and (source is holder and use.dim == 0)
            depthwise = operation(node).startswith("conv") and source is node.args[0] and node not in readers and _apart(node)
            if not direct and not depthwise:
                return True
        if node not in seen:
            seen.add(node)
            todo += [(node, user) for user in node.users]
    return False


def _apart(node: Node) -> bool:
    """Whether a convolution reads one channel for each output."""
    weight: Any = node.args[1]
    return bool(weight.meta["val"].shape[1] == 1)


def _batches(images: Any, batch_size: int) -> list[tuple[Tensor, ...]]:
    given = [images] if isinstance(images, Tensor) else images
    parts = [part for batch in given for part in (batch.split(batch_size) if isinstance(batch, Tensor) else [batch])]
    batches = [tuple(b) if isinstance(b, (list, tuple)) else (b,) for b in parts]
    if not batches or not len(batches[0][0]):
        raise BenchError("there are no images to walk with", "give at least one batch of training images")
    return batches


def _tied(batches: list[tuple[Tensor, ...]], size: int | None) -> tuple[list[tuple[Tensor, ...]], list[int]]:
    """Batches of exactly `size`, the last filled up by repetition, and how many of each count; as they are where size is None."""
    if size is None:
        return batches, [len(b[0]) for b in batches]
    whole = [torch.cat(x) for x in zip(*batches, strict=True)]
    total = len(whole[0])
    filled = [x[torch.arange(-(-total // size) * size) % total] for x in whole]
    return list(zip(*[x.split(size) for x in filled], strict=True)), [min(size, total - i) for i in range(0, total, size)]


def _last_uses(order: Sequence[Node]) -> dict[Node, set[Node]]:
    """Node -> the inputs that nothing reads after it."""
    seen: set[Node] = set()
    last: dict[Node, set[Node]] = {}
    for node in reversed(order):
        last[node] = {a for a in node.all_input_nodes if a not in seen}
        seen |= last[node]
    return last


def _first(output: Any, stream: Frontier, batch: int) -> Tensor:
    while isinstance(output, (list, tuple)):
        output = output[0]
    value: Tensor = stream.values[output][batch]
    return value
