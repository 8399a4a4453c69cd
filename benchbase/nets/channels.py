"""Which entries of which tensors are the same channel: nodes, ties between them, and pins on what cannot be removed.

Every entry along a dimension of a tensor is a node, a number. A layout has one array of nodes a dimension, or None where the dimension
holds no channels (batch, positions). A channel is a connected component of nodes.
"""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Layout = list["Ids | None"]


@dataclass
class Channels:
    """What the operations of a network say of its channels, collected while its graph is read.

    uses: (parameter or buffer, dimension, nodes).  numbers: name of a module's number -> the nodes it counts.  written: (layer,
    nodes) of layers that write channels, in the order they run.
    added: nodes that went through an addition of two activations.  gates: nodes that multiply others, one value for many positions.
    picked: nodes that a gather takes from a stream.
    """

    count: int = 0
    ties: list[tuple[Ids, Ids]] = field(default_factory=list)
    pins: list[tuple[Ids, str]] = field(default_factory=list)
    uses: list[tuple[str, int, Ids]] = field(default_factory=list)
    numbers: dict[str, Ids] = field(default_factory=dict)
    written: list[tuple[str, Ids]] = field(default_factory=list)
    added: list[Ids] = field(default_factory=list)
    gates: list[Ids] = field(default_factory=list)
    picked: list[Ids] = field(default_factory=list)

    def new(self, entries: int) -> Ids:
        """Nodes that nothing else is tied to yet."""
        self.count += entries
        return np.arange(self.count - entries, self.count)

    def fixed(self, entries: int, why: str) -> Ids:
        """New nodes that cannot be removed."""
        ids = self.new(entries)
        self.pin(ids, why)
        return ids

    def tie(self, a: Ids | None, b: Ids | None, why: str) -> Ids | None:
        """Say that a[i] and b[i] are the same channel. What is tied to no channel, or to another number of them, is pinned."""
        if a is None or b is None:
            self.pin(b if a is None else a, why)
            return None
        if len(a) != len(b):
            self.pin(a, why)
            self.pin(b, why)
            return None
        self.ties.append((a, b))
        return a

    def pin(self, ids: Ids | None, why: str) -> None:
        """Say that these nodes cannot be removed, and why."""
        if ids is not None and len(ids):
            self.pins.append((np.asarray(ids), why))

    def counted(self, name: str, ids: Ids, why: str) -> None:
        """Say that a number of the model's code counts these nodes. What one number counts in several places goes together."""
        self.numbers.setdefault(name, ids)
        if self.numbers[name] is not ids:
            self.tie(self.numbers[name], ids, why)

    def pin_all(self, layout: object, why: str) -> None:
        """Pin every node in a layout, or in a nested list of layouts."""
        if isinstance(layout, np.ndarray):
            self.pin(layout, why)
        elif isinstance(layout, (list, tuple)):
            for part in layout:
                self.pin_all(part, why)

    def components(self) -> Ids:
        """The channel that each node belongs to, numbered from 0."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        if not self.count:
            return np.zeros(0, np.int64)
        ends = [np.concatenate(side) for side in zip(*self.ties, strict=True)] if self.ties else [np.zeros(0, np.int64)] * 2
        matrix = coo_matrix((np.ones(len(ends[0]), np.int8), (ends[0], ends[1])), (self.count, self.count))
        found: Ids = connected_components(matrix, directed=False)[1].astype(np.int64)
        return found
