"""A residual block without its branch: the block becomes its shortcut, and what comes after the addition."""
from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import fx, nn

from benchbase.errors import BenchError

ADDITIONS = {operator.add, operator.iadd, torch.add, "add", "add_"}
SCALABLE = (nn.Linear, nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
PASSING = (nn.Identity, nn.modules.dropout._DropoutNd)
DROPS_PATHS = ("DropPath", "StochasticDepth")


@dataclass(frozen=True)
class Block:
    """A residual block. path: of the module.  last: of the layer whose output alone is its branch's, so that scaling its weight and bias
    scales the branch, and without them the block is its shortcut."""

    path: str
    last: str


@dataclass(frozen=True)
class _Split:
    """A block's graph at its addition."""

    graph: fx.Graph
    addition: fx.Node
    branch: fx.Node
    short: fx.Node


def blocks_of(model: nn.Module) -> tuple[Block, ...]:
    """The residual blocks that `drop_` can drop and whose branch ends in a layer with weights, innermost ones, in the order of the
    network's modules."""
    found = []
    for path, module in model.named_modules():
        last = _last(module) if path and any(True for _ in module.children()) else ""
        if last:
            found.append(Block(path, f"{path}.{last}"))
    return tuple(b for b in found if not any(other.path.startswith(f"{b.path}.") for other in found))


def silence_(model: nn.Module, blocks: Iterable[str]) -> None:
    """Zero the last layer of each block's branch: the full-size network then computes what the one without the branches does. A block
    whose branch ends in none loses it."""
    last = {block.path: block.last for block in blocks_of(model)}
    for path in blocks:
        if path in last:
            for parameter in model.get_submodule(last[path]).parameters():
                nn.init.zeros_(parameter)
        else:
            drop_(model, [path])


def drop_(model: nn.Module, blocks: Iterable[str]) -> None:
    """Replace each block, a module by its path, by its shortcut (downsampling included) and the activation after the addition.

    A block is a module whose own graph has exactly one addition of a branch and a shortcut, the branch being the side with more
    weighted layers. Parameters that stay keep their names. Raises BenchError, kind "not_applicable", for any other module.
    """
    for path in blocks:
        try:
            block = model.get_submodule(path)
        except AttributeError:
            raise BenchError(f"the network has no block {path!r}", "name a module of it") from None
        parent, _, leaf = path.rpartition(".")
        setattr(model.get_submodule(parent), leaf, without_branch(block, path))


def without_branch(block: nn.Module, path: str = "") -> nn.Module:
    """A module that computes the block's shortcut and what follows its one addition; it shares the block's remaining layers."""
    split = _split(block, path)
    with split.graph.inserting_before(split.addition):  # a copy: what follows may work in place, on what was the sum and is now the block's input
        short_side = split.graph.call_method("clone", (split.short,))
    split.addition.replace_all_uses_with(short_side)
    split.graph.erase_node(split.addition)
    short = fx.GraphModule(block, split.graph)
    for node in reversed(short.graph.nodes):  # the branch: layers with running statistics count as effects, so no dead-code pass takes them
        if not node.users and node.op not in ("placeholder", "output"):
            short.graph.erase_node(node)
    short.delete_all_unused_submodules()
    short.recompile()
    return short.train(block.training)


def _split(block: nn.Module, path: str = "") -> _Split:
    """The block's graph and the two sides of its addition. Raises BenchError where it has none, or more than one."""
    try:
        graph = _Tracer().trace(block)
    except Exception as error:  # noqa: BLE001 -- whatever the tracer cannot follow is no block of ours
        raise _no_block(path, f"its code cannot be followed ({type(error).__name__})") from None
    additions = [n for n in graph.nodes if n.target in ADDITIONS and len(n.args) == 2 and all(isinstance(a, fx.Node) for a in n.args)]
    if len(additions) != 1:
        raise _no_block(path, f"it has {len(additions)} additions")
    [addition] = additions
    layers = [_weighted(block, side) for side in addition.args]
    if layers[0] == layers[1]:
        raise _no_block(path, "its two sides have equally many layers")
    short, branch = addition.args if layers[0] < layers[1] else reversed(addition.args)
    if not any(node.op == "placeholder" for node in _above(short)):
        raise _no_block(path, "one side of its addition does not depend on its input")
    return _Split(graph, addition, branch, short)


def _last(block: nn.Module) -> str:
    """The path in the block of the layer that its branch ends in, past identities and dropout; "" where that is no single layer of torch
    with weights that it alone uses, once."""
    try:
        split = _split(block)
    except BenchError:
        return ""
    node, modules = split.branch, dict(block.named_modules())
    calls = Counter(id(modules[str(n.target)]) for n in split.graph.nodes if n.op == "call_module")
    while node.op == "call_module" and len(node.users) == 1:
        layer = modules[str(node.target)]
        if isinstance(layer, PASSING) or type(layer).__name__ in DROPS_PATHS:
            node = node.all_input_nodes[0]
            continue
        plain = isinstance(layer, SCALABLE) and type(layer).__module__.startswith("torch.nn") and isinstance(layer.weight, nn.Parameter)
        return str(node.target) if plain and calls[id(layer)] == 1 else ""
    return ""


class _Tracer(fx.Tracer):
    """Layers of torch.nn and activations stay calls of modules; everything else is followed."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return super().is_leaf_module(module, name) or not any(True for _ in module.children())


def _weighted(block: nn.Module, node: fx.Node) -> int:
    """How many layers with a weight matrix lie on the way from the block's input to `node`."""
    modules = [block.get_submodule(str(n.target)) for n in _above(node) if n.op == "call_module"]
    return sum(any(p.dim() > 1 for p in m.parameters()) for m in modules)


def _above(node: fx.Node) -> set[fx.Node]:
    """The node and all that it is computed from."""
    seen: set[fx.Node] = set()
    todo = [node]
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += at.all_input_nodes
    return seen


def _no_block(path: str, why: str) -> BenchError:
    return BenchError(f"{path or 'the module'} is no residual block: {why}", "drop modules that add one branch to one shortcut",
                      kind="not_applicable")
