"""At how many positions of one example each weight is applied: what multiply-adds are counted from."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Set
from typing import Any

from torch.export import ExportedProgram
from torch.fx import Node

from benchbase.errors import BenchError
from benchbase.nets.interpret import bound, operation
from benchbase.nets.rules.mixing import multiplies


def positions_of(program: ExportedProgram, names: Mapping[Node, str]) -> tuple[tuple[str, int], ...]:
    """(weight, positions on one example), once for each convolution or linear layer that applies it, in the order they run.

    names: placeholder -> parameter.  A product of activations (attention) is no layer and is not counted; a product with a parameter
    is one.  Raises BenchError (not_applicable) where a layer's weight is computed from no parameters of its size.
    """
    inputs = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in program.graph_signature.user_inputs]
    batch = next((n.meta["val"].shape[0] for n in inputs if getattr(n.meta.get("val"), "ndim", 0)), 1)
    reached = set(inputs)
    found: list[tuple[str, int]] = []
    for node in program.graph.nodes:
        if node.op == "call_function" and any(a in reached for a in node.all_input_nodes):
            reached.add(node)
            if multiplies(operation(node)):
                found += _applied(node, names, reached, batch)
    return tuple(found)


def _applied(node: Node, names: Mapping[Node, str], reached: Set[Node], batch: int) -> list[tuple[str, int]]:
    """The weights that one product applies, and where. reached: what depends on the network's inputs."""
    args, name = bound(node), operation(node)
    layer = name == "linear" or name.startswith("conv")
    sides = [args["weight"]] if layer else _SIDES[name](args)
    for weight in sides:
        owners, above = _owners(weight, names, reached)
        if owners:
            total = _multiply_adds(node, args, name)
            return [(names[o], -(-total // (_count(weight) * batch))) for o in owners]
    if layer and above:
        raise BenchError(f"the multiply-adds of {name} cannot be counted: its weight is computed from no parameters of its size",
                         "this network is outside what the benchmark counts", kind="not_applicable")
    return []


_SIDES: dict[str, Callable[[Mapping[str, Any]], list[Node]]] = {
    "einsum": lambda args: args["tensors"], "addmm": lambda args: [args["mat1"], args["mat2"]], "mm": lambda args: [args["self"], args["mat2"]],
    "bmm": lambda args: [args["self"], args["mat2"]], "matmul": lambda args: [args["self"], args["other"]]}


def _owners(weight: Node, names: Mapping[Node, str], reached: Set[Node]) -> tuple[list[Node], list[Node]]:
    """The parameters that a weight is: itself, one of its size that it is computed from, or several whose sizes add up to it; and all
    parameters and inputs that it is computed from: none for a constant, which is no layer's."""
    above: list[Node] = []
    todo, seen = [weight], set()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op == "placeholder" and (node in names or node in reached):
            above.append(node)
        todo += node.all_input_nodes
    matrices = [n for n in above if n.meta["val"].ndim > 1] if all(n in names for n in above) else []
    own = [n for n in matrices if _count(n) == _count(weight)]
    return own[:1] or (matrices if matrices and sum(map(_count, matrices)) == _count(weight) else []), above


def _multiply_adds(node: Node, args: Mapping[str, Any], name: str) -> int:
    """Of one product on the whole batch."""
    out = _count(node)
    if name == "einsum":
        terms = args["equation"].replace(" ", "").partition("->")[0].split(",")
        return math.prod({letter: n for term, t in zip(terms, args["tensors"]) for letter, n in zip(term, t.meta["val"].shape)}.values())
    if name.startswith("conv_transpose"):
        return _count(args["input"]) * int(math.prod(args["weight"].meta["val"].shape[1:]))
    if name.startswith("conv"):
        return out * int(math.prod(args["weight"].meta["val"].shape[1:]))
    left = args.get("input", args.get("mat1", args["self"] if "self" in args else None))
    return out * int(left.meta["val"].shape[-1])


def _count(node: Node) -> int:
    return int(math.prod(node.meta["val"].shape))
