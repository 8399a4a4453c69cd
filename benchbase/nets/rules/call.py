"""One operation of the graph, as a rule sees it."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.fx import Node

from benchbase.nets import numbers
from benchbase.nets.channels import Channels, Ids, Layout
from benchbase.nets.interpret import operation
from benchbase.nets.rules.zeros import zero


@dataclass(frozen=True)
class Call:
    """args: ATen's argument names -> layouts where tensors were, plain values elsewhere.  nodes: the same names -> as in the graph.

    names: placeholder -> parameter or buffer.  model: where the code that makes the call lives, for what a layer's module says.
    """

    channels: Channels
    node: Node
    args: dict[str, Any]
    nodes: dict[str, Any]
    names: dict[Node, str]
    model: nn.Module

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor argument."""
        return tuple(self.nodes[name].meta["val"].shape)

    @property
    def out(self) -> tuple[int, ...]:
        """The shape of the result."""
        return tuple(self.node.meta["val"].shape)

    @property
    def path(self) -> str:
        """The module whose code makes the call: "" for the model itself."""
        stack = list((self.node.meta.get("nn_module_stack") or {}).values())
        return str(stack[-1][0]) if stack else ""

    @property
    def module(self) -> nn.Module | None:
        """That module."""
        try:
            return self.model.get_submodule(self.path)
        except AttributeError:
            return None

    def why(self, text: str) -> str:
        """A reason, with the operation and the place named."""
        return f"{text} ({operation(self.node)} in {self.path or 'the model'})"

    def tie(self, a: Ids | None, b: Ids | None, text: str) -> Ids | None:
        return self.channels.tie(a, b, self.why(text))

    def pin(self, ids: Ids | None, text: str) -> None:
        self.channels.pin(ids, self.why(text))

    def pinned(self, layout: Layout, dims: Any, text: str) -> Layout:
        """The layout with these dimensions pinned and no longer channels."""
        dims = {d % len(layout) for d in dims}
        for d in dims:
            self.pin(layout[d], text)
        return [None if d in dims else ids for d, ids in enumerate(layout)]

    def counted(self, ids: Ids | None, size: int) -> bool:
        """Whether `size`, as written in the code of the call, is a number of the calling module; it then counts these nodes."""
        if ids is None or len(ids) != size or self.module is None:
            return False
        names = numbers.named(self.module, size)
        for name in names:
            self.channels.counted(f"{self.path}.{name}".lstrip("."), ids, self.why("counted by one number"))
        return bool(names)

    def parameter(self, node: Any) -> bool:
        """Whether a node is a parameter as it is: no buffer, and not computed from one."""
        path, _, leaf = self.names.get(node, "").rpartition(".")
        return node in self.names and leaf in self.model.get_submodule(path)._parameters

    def summed(self, a: tuple[str, int], b: tuple[str, int], text: str) -> None:
        """Say that the products of two arguments are summed over these dimensions, each (argument, dimension): one more tie, and a pin
        where a removed channel would be zero in neither of them."""
        ids = self.tie(self.args[a[0]][a[1]], self.args[b[0]][b[1]], text)
        if ids is not None and not any(zero(self.nodes[name], self.parameter) for name, _ in (b, a)):
            self.pin(ids, "a sum over channels that are not zero where their weights are")

    def layer(self, name: str) -> str:
        """What the layer that owns weight argument `name` is called: its module's path, or the parameter's where it is bare."""
        node = self.nodes[name]
        while node not in self.names and getattr(node, "all_input_nodes", None):  # a weight computed from a parameter
            node = max(node.all_input_nodes, key=lambda n: getattr(n.meta.get("val"), "numel", int)())
        return self.names.get(node, str(node)).removesuffix(".weight")

    def written(self, name: str, ids: Ids | None) -> None:
        """Say that this layer writes the channels of `ids`."""
        if ids is not None:
            self.channels.written.append((self.layer(name), ids))
