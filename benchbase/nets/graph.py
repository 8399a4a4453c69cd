"""A network read: the channels that go together, what pins the rest, and where each weight is applied.

`read` exports the network (torch.export, non-strict), lets the rule of each operation say which entries are the same channel, and tries
the groups out: what does not run with fewer channels is pinned.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx import Node

from benchbase.nets.channels import Channels, Layout
from benchbase.nets.exported import as_tuple, exported, exported_training
from benchbase.nets.groups import Group, Pin, groups_of
from benchbase.nets.interpret import bound, operation
from benchbase.nets.positions import positions_of
from benchbase.nets.rules import RULES, Call
from benchbase.nets.rules.shape import getitem, is_getitem
from benchbase.nets.trial import Bench, tried


@dataclass(frozen=True)
class Trace:
    """What a network's graph says.

    groups: the channels that go together, in the order their first layers run.  positions: (weight, positions it is applied at on one
    example), once for each time.  program: the graph in eval mode.  pins: outputs of layers that cannot be removed.
    """

    groups: tuple[Group, ...]
    positions: tuple[tuple[str, int], ...]
    program: ExportedProgram
    pins: tuple[Pin, ...]


def read(model: nn.Module, example: Any) -> Trace:
    """The Trace of `model`, whose modes, weights and random generators are left alone.

    example: one input batch (n, ...) with n >= 2, or a tuple of inputs.  Raises BenchError, kind "not_applicable", for a network that
    cannot be exported, or whose multiply-adds cannot be counted.
    """
    program = exported(model, example)
    bench = Bench(model, as_tuple(example))
    training = None if bench.alike else exported_training(model, example)
    channels, held = Channels(), dict[Any, Any]()
    for graph in (program, training):
        if graph is not None:
            _follow(graph, channels, held, model)
    groups, pins = groups_of(channels)
    good, refused = tried(bench, groups)
    return Trace(good, positions_of(program, tensor_names(program, model)), program, (*pins, *refused))


def tensor_names(program: ExportedProgram, model: nn.Module) -> dict[Node, str]:
    """Placeholder -> the parameter or buffer it stands for; of tied ones the first name."""
    signature = program.graph_signature
    said = dict(signature.inputs_to_parameters) | dict(signature.inputs_to_buffers)
    every = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    first: dict[int, str] = {}
    for name, tensor in every:
        first.setdefault(id(tensor), name)
    canonical: dict[Any, str] = {name: first[id(tensor)] for name, tensor in every}
    found: list[tuple[Node, Any]] = [(n, said[n.name]) for n in program.graph.nodes if n.op == "placeholder" and n.name in said]
    return {n: canonical.get(name, name) for n, name in found}


def _follow(program: ExportedProgram, channels: Channels, held: dict[str, Layout], model: nn.Module) -> None:
    """Let every operation of a graph say what it does to channels. held: layouts of parameters, shared by the graphs of one network."""
    names = tensor_names(program, model)
    layouts: dict[Node, Any] = {}
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.op == "placeholder" and node in names:
            name = names[node]
            if name not in held:
                held[name] = _parameter(channels, name, node)
            layouts[node] = held[name]
        elif node.op == "call_function":
            layouts[node] = _called(Call(channels, node, *_arguments(node, layouts), names, model), layouts)
        elif node.op == "output":
            channels.pin_all([layouts.get(a) for a in node.all_input_nodes if a not in names and not _updates(a)], "the network's output")
        else:
            layouts[node] = _blank(value)


def _updates(node: Node) -> bool:
    """Whether an output is a new value of a buffer: a running statistic, counted at every step."""
    return node.op == "call_function" and operation(node) in ("add", "add_", "copy_") and len(getattr(node.meta.get("val"), "shape", (0,))) == 0


def _parameter(channels: Channels, name: str, node: Node) -> Layout:
    """New nodes for a parameter or buffer, along every dimension that may hold channels: not along the positions of a kernel."""
    value = node.meta["val"]
    convolved = any(operation(user).startswith("conv") for user in node.users if user.op == "call_function")
    indices = value.dtype == torch.int64 and value.ndim == 1 and any(operation(u) == "index_select" for u in node.users)
    layout: Layout = []
    for dim, size in enumerate(value.shape):
        kernel = dim > 1 and (value.ndim > 3 or convolved)
        layout.append(channels.new(size) if size > 1 and not kernel and (value.is_floating_point() or indices) else None)
    channels.uses += [(name, dim, ids) for dim, ids in enumerate(layout) if ids is not None]
    return layout


def _arguments(node: Node, layouts: Mapping[Node, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An operation's arguments by name: with layouts in the place of tensors, and as they stand in the graph."""
    if is_getitem(node):
        nodes: dict[Any, Any] = dict(zip(("self", "index"), node.args, strict=True))
    else:
        nodes = bound(node) if hasattr(node.target, "_schema") else dict(enumerate(node.args))

    def seen(value: Any) -> Any:
        if isinstance(value, Node):
            return layouts.get(value)
        return [seen(v) for v in value] if isinstance(value, (list, tuple)) else value
    return {name: seen(value) for name, value in nodes.items()}, nodes


def _called(call: Call, layouts: Mapping[Node, Any]) -> Any:
    """What the operation's rule says; an operation without one, or one that its rule does not fit, pins all it touches."""
    name = operation(call.node)
    rule = getitem if is_getitem(call.node) else RULES.get(name)
    try:
        if rule is not None:
            return rule(call)
        why = "an operation without a rule"
    except Exception as error:  # noqa: BLE001 -- the rule met a form it does not know: all that it touches stays
        why = f"a form without a rule, {type(error).__name__}"
    for argument in call.node.all_input_nodes:
        call.channels.pin_all(layouts.get(argument), call.why(why))
    return _blank(call.node.meta.get("val"))


def _blank(value: Any) -> Any:
    """The layout of something without channels."""
    if isinstance(value, (list, tuple)):
        return [_blank(v) for v in value]
    return [None] * len(value.shape) if hasattr(value, "shape") else None
