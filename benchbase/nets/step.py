"""One stop of a walk: what a layer reads there, and what is chosen of it."""
from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchbase.errors import BenchError
from benchbase.nets.interpret import tensor_of
from benchbase.nets.joins import Behind
from benchbase.nets.window import Window, outputs, patches

if TYPE_CHECKING:
    from benchbase.nets.groups import Group, Use
    from benchbase.nets.net import Net


@dataclass
class Step:
    """A stop before a convolution or linear layer reads channels of `group`.

    use: where the layer's weight holds them (None: this group is not read by any layer that the walk can stop at; choose from the weights).
    inputs: what the layer reads, a batch each, in the pruned network.  dense: the same in the network as it was, when asked for.
    window: None for a linear layer.  groups: of the convolution.  behind: the layer's bias, and what comes right after it.
    chosen: group name -> what stays, shared by the steps of a walk.
    """

    net: Net
    group: Group
    use: Use | None = None
    inputs: Sequence[Tensor] = ()
    dense: Sequence[Tensor] | None = None
    window: Window | None = None
    groups: int = 1
    original: Tensor | None = field(default=None, repr=False)
    behind: Behind = field(default_factory=Behind, repr=False)
    chosen: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[int, ...] | None:
        """What stays of the group, once chosen: later readers find it here."""
        return self.chosen.get(self.group.name)

    @property
    def weight(self) -> Tensor:
        """The layer's weight as it is now, (out, in / groups, *kernel); `original` is the dense network's, where that was asked for."""
        if self.use is None:
            raise BenchError(f"no layer reads {self.group.name} where the walk can stop", "choose from the weights: net.filters(group)")
        return tensor_of(self.net.model, self.use.tensor).detach()

    def draw(self, count: int) -> list[Tensor]:
        """`count` output positions an image, drawn without repetition from net.generator (all, where there are fewer): (n, count) a batch."""
        drawn = []
        for x in self.inputs:
            total = math.prod(self.window.outputs(x.shape[2:]) if self.window else x.shape[1:-1])
            if total <= count:
                drawn.append(torch.arange(total).expand(len(x), total))
            else:
                generator = self.net.generator
                drawn.append(torch.rand(len(x), total, generator=generator, device=generator.device).topk(count, dim=1).indices)
        return drawn

    def patches(self, positions: Sequence[Tensor], dense: bool = False) -> Tensor:
        """What the layer reads at `positions` (from `draw`): (images x positions, in, kernel entries), in the order of its weight."""
        return torch.cat(list(self.rows(positions, dense)))

    def rows(self, positions: Sequence[Tensor], dense: bool = False) -> Iterator[Tensor]:
        """The same, one batch after another."""
        values = self.dense if dense else self.inputs
        assert values is not None
        return (patches(x, p.to(x.device), self.window) for x, p in zip(values, positions, strict=True))

    def lost(self, positions: Sequence[Tensor]) -> Iterator[Tensor] | None:
        """What the shortcut that the layer's output is added to has lost by now, dense less pruned, one batch after another: (images x
        positions, out), as it stands after the norm behind the layer. None without such a shortcut, or where the walk is not dense."""
        if self.behind.shortcut is None:
            return None
        pruned, dense = self.behind.shortcut
        return (outputs(d - x, p.to(x.device), self.window) for x, d, p in zip(pruned, dense, positions, strict=True))

    @property
    def shifts(self) -> bool:
        """Whether something takes up a constant in the layer's output: its bias, or the mean of the norm behind it."""
        return self.behind.bias is not None or self.behind.mean is not None

    def shift(self, by: Tensor) -> None:
        """Add `by` (out,) to what the layer gives, in its bias, or by the running mean of the norm behind it."""
        bias, mean = self.behind.bias, self.behind.mean
        with torch.no_grad():
            if bias is not None:
                bias.add_(by.to(bias))
            elif mean is not None:
                mean.sub_(by.to(mean))

    def keep(self, kept: Iterable[int] | None = None, scale: Tensor | None = None, weight: Tensor | None = None) -> None:
        """Keep these channels of the group, and refit the layer; at the group's later readers leave `kept` out.

        scale: a factor for each kept channel, (kept,).  weight: new kernels instead, in the order of `use.at[kept]`, flat:
        (out, kept x entries, *kernel).
        """
        kept = self.kept if kept is None else tuple(sorted(map(int, kept)))
        if kept is None or (self.kept is not None and kept != self.kept):
            raise BenchError(f"the channels of {self.group.name} are chosen once, where it is first read", "pass kept there, and nowhere else",
                             kind="method_error")
        if not kept or len(set(kept)) < len(kept) or not 0 <= kept[0] <= kept[-1] < self.group.width:
            raise BenchError(f"{self.group.name} has {self.group.width} channels and cannot keep {list(kept)[:8]}",
                             "give different indices in range, at least one", kind="method_error")
        self.chosen[self.group.name] = kept
        if self.use is None:
            return self.net.zero(self.group, kept)
        layer, at = self.weight, torch.as_tensor(self.use.at)
        if weight is not None:
            layer.index_copy_(1, at[list(kept)].reshape(-1).to(layer.device), weight.to(layer))
        each = torch.zeros(len(at), dtype=layer.dtype)
        each[list(kept)] = 1 if scale is None else scale.to(each)
        factors = torch.ones(layer.shape[1], dtype=layer.dtype)
        factors[at.reshape(-1)] = each.repeat_interleave(at.shape[1])
        layer.mul_(factors.to(layer.device).reshape(-1, *[1] * (layer.dim() - 2)))
