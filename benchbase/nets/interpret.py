"""Running an exported ATen graph operation by operation, batch by batch, with weights read from a live module."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import Node
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.fx.node import map_arg

from benchbase.nets.seeded import seeded

SIZED = {"view", "reshape", "_unsafe_view", "expand", "broadcast_to", "repeat", "unflatten", "full", "zeros", "ones", "empty", "randn", "rand",
         "new_full", "new_zeros", "new_ones", "new_empty", "as_strided", "tile", "resize"}


def operation(node: Node) -> str:
    """The operation's bare name: "conv2d", "relu_", "getitem"."""
    target: Any = node.target
    return target.name().split("::")[-1].split(".")[0] if hasattr(target, "_schema") else getattr(target, "__name__", str(target))


def bound(node: Node) -> dict[str, Any]:
    """The arguments of an ATen call by name, defaults filled in."""
    target: Any = node.target
    given = {a.name: a.default_value for a in target._schema.arguments if a.has_default_value()}
    return given | {a.name: v for a, v in zip(target._schema.arguments, node.args, strict=False)} | node.kwargs


@dataclass(frozen=True)
class Runnable:
    """A program, and the batch size it is tied to (None: any).

    tensors: placeholder -> name of the parameter or buffer.  constants: placeholder -> tensor that the model's code holds.
    inputs: the placeholders of what the model is called with.  fixed: nodes that no input reaches; they are run once.
    """

    program: ExportedProgram
    batch: int | None
    tensors: dict[Node, str]
    constants: dict[Node, Any]
    inputs: tuple[Node, ...]
    fixed: frozenset[Node]

    @property
    def nodes(self) -> list[Node]:
        return list(self.program.graph.nodes)


def runnable(model: nn.Module, program: ExportedProgram, images: tuple[Tensor, ...]) -> Runnable:
    """`program` made ready for batches of any size: exported again with a free batch size where sizes are written into its calls.

    images: one batch, for that export.  Where the model's own code ties the batch size, `batch` says to what.
    """
    if not _sized(program):
        return _prepared(program, None)
    modes = [(m, m.training) for m in model.modules()]
    free = tuple({0: Dim.AUTO} if x.dim() else None for x in images)
    try:
        with seeded(0), torch.no_grad():
            program = torch.export.export(model.eval(), images, dynamic_shapes=free, strict=False)
    except Exception:  # noqa: BLE001 -- a model whose code ties the batch size may refuse a free one in many ways
        with seeded(0), torch.no_grad():
            program = torch.export.export(model.eval(), images, strict=False)
    finally:
        for module, training in modes:
            module.training = training
    ready = _prepared(program, None)
    size = ready.inputs[0].meta["val"].shape[0]
    return _prepared(program, int(size)) if is_concrete_int(size) else ready


def _sized(program: ExportedProgram) -> bool:
    """Whether a call holds a literal size that may be the batch's."""
    return any(operation(n) in SIZED and any(isinstance(a, (list, tuple)) and a and isinstance(a[0], int) and a[0] > 1 for a in n.args)
               for n in program.graph.nodes if n.op == "call_function")


def _prepared(program: ExportedProgram, batch: int | None) -> Runnable:
    signature = program.graph_signature
    names = dict(signature.inputs_to_parameters) | dict(signature.inputs_to_buffers)
    holders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    constants = {holders[k]: program.constants[v] for k, v in signature.inputs_to_lifted_tensor_constants.items()}
    inputs = tuple(holders[k] for k in signature.user_inputs if k in holders)
    fixed: set[Node] = set()
    for node in program.graph.nodes:
        given = node.op == "get_attr" or (node.op == "placeholder" and node not in inputs)
        if given or (node.op == "call_function" and all(a in fixed for a in node.all_input_nodes)):
            fixed.add(node)
    return Runnable(program, batch, {holders[k]: v for k, v in names.items()}, constants, inputs, frozenset(fixed))


@dataclass
class Frontier:
    """The values of all live nodes, one a batch, as one copy of the weights computes them.

    source: where parameters and buffers are looked up, each time a node reads them.  values: node -> its value for each batch.
    """

    ready: Runnable
    source: Any
    values: dict[Node, list[Any]] = field(default_factory=dict)

    def start(self, batches: Sequence[tuple[Tensor, ...]]) -> None:
        """Put the batches on the input nodes; cloned where the network works on its input in place."""
        for i, node in enumerate(self.ready.inputs):
            own = any(u.op == "call_function" and getattr(getattr(u.target, "_schema", None), "is_mutable", False) for u in node.users)
            self.values[node] = [b[i].clone() if own else b[i] for b in batches]

    def run(self, node: Node, last: set[Node]) -> None:
        """Compute `node` for every batch. last: inputs that nothing reads afterwards; each batch of them is freed as soon as it is used."""
        once = node in self.ready.fixed
        held = {a: self._held(a) for a in node.all_input_nodes if a in self.ready.fixed}
        count = 1 if once else max(len(self.values[a]) for a in node.all_input_nodes if a not in held)
        made: list[Any] = []
        target: Any = node.target
        with torch.no_grad():
            for i in range(count):
                def value(a: Node, i: int = i) -> Any:
                    return held[a] if a in held else self.values[a][i]
                made.append(target(*map_arg(node.args, value), **map_arg(node.kwargs, value)))
                for a in last - held.keys():
                    self.values[a][i] = None
        for a in last:
            self.values.pop(a, None)
        self.values[node] = made

    def _held(self, node: Node) -> Any:
        """The value of a node that no input reaches; parameters as they are now."""
        if node in self.ready.tensors:
            return self.source(self.ready.tensors[node])
        if node in self.ready.constants:
            return self.ready.constants[node]
        if node.op == "get_attr":
            return getattr(self.ready.program.graph_module, str(node.target))
        return self.values[node][0]


def tensor_of(model: nn.Module, name: str) -> Tensor:
    """The parameter or buffer called `name`, as it is now."""
    head, _, tail = name.rpartition(".")
    found: Tensor = getattr(model.get_submodule(head), tail)
    return found
