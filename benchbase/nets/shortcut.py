"""A residual block without its branch: the block becomes its shortcut, and what comes after the addition."""
from __future__ import annotations

import operator
from collections.abc import Iterable

import torch
from torch import fx, nn

from benchbase.errors import BenchError

ADDITIONS = {operator.add, operator.iadd, torch.add, "add", "add_"}


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
    with graph.inserting_before(addition):  # a copy: what follows may work in place, on what was the sum and is now the block's input
        short_side = graph.call_method("clone", (addition.args[0] if layers[0] < layers[1] else addition.args[1],))
    addition.replace_all_uses_with(short_side)
    graph.erase_node(addition)
    short = fx.GraphModule(block, graph)
    for node in reversed(short.graph.nodes):  # the branch: layers with running statistics count as effects, so no dead-code pass takes them
        if not node.users and node.op not in ("placeholder", "output"):
            short.graph.erase_node(node)
    short.delete_all_unused_submodules()
    short.recompile()
    return short.train(block.training)


class _Tracer(fx.Tracer):
    """Layers of torch.nn and activations stay calls of modules; everything else is followed."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return super().is_leaf_module(module, name) or not any(True for _ in module.children())


def _weighted(block: nn.Module, node: fx.Node) -> int:
    """How many layers with a weight matrix lie on the way from the block's input to `node`."""
    seen, todo = set(), [node]
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += at.all_input_nodes
    modules = [block.get_submodule(str(n.target)) for n in seen if n.op == "call_module"]
    return sum(any(p.dim() > 1 for p in m.parameters()) for m in modules)


def _no_block(path: str, why: str) -> BenchError:
    return BenchError(f"{path or 'the module'} is no residual block: {why}", "drop modules that add one branch to one shortcut",
                      kind="not_applicable")
