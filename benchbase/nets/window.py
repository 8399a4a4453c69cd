"""What a convolution reads for one position of its output."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import Node

from benchbase.nets.interpret import bound


@dataclass(frozen=True)
class Window:
    """What a convolution reads for one output position; each field has one entry a spatial dimension. before: padding at the low end."""

    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()

    def outputs(self, size: Sequence[int]) -> tuple[int, ...]:
        """The output's spatial size."""
        return tuple((n + b + a - d * (k - 1) - 1) // s + 1 for n, k, s, b, a, d in
                     zip(size, self.kernel, self.stride, self.before, self.after, self.dilation, strict=True))


def geometry(node: Node) -> tuple[Window | None, int]:
    """The window (None for a linear layer) and the number of groups of a convolution call."""
    args = bound(node)
    if "stride" not in args:
        return None, 1
    kernel = tuple(args["weight"].meta["val"].shape[2:])
    many = [tuple(v) * (len(kernel) if len(v) == 1 else 1) for v in (args["stride"], args["dilation"])]
    total = [d * (k - 1) for d, k in zip(many[1], kernel, strict=True)]
    if args["padding"] == "same":
        before = tuple(t // 2 for t in total)
        after = tuple(t - b for t, b in zip(total, before, strict=True))
    else:
        padding = (0,) if args["padding"] == "valid" else tuple(args["padding"])
        before = after = padding * (len(kernel) if len(padding) == 1 else 1)
    return Window(kernel, many[0], before, after, many[1]), args["groups"]


def outputs(y: Tensor, positions: Tensor, window: Window | None) -> Tensor:
    """The entries of an output y at flat `positions` (n, p): (n x p, channels)."""
    if window is None:
        y = y.reshape(len(y), -1, y.shape[-1])
        return y.gather(1, positions[..., None].expand(-1, -1, y.shape[-1])).flatten(0, 1)
    return y.flatten(2).gather(2, positions[:, None].expand(-1, y.shape[1], -1)).transpose(1, 2).flatten(0, 1)


def patches(x: Tensor, positions: Tensor, window: Window | None) -> Tensor:
    """The entries of x under `window` at flat output `positions` (n, p): (n x p, channels, kernel entries); zero where it is padding."""
    n, count = positions.shape
    if window is None:
        x = x.reshape(n, -1, x.shape[-1])
        return x.gather(1, positions[..., None].expand(-1, -1, x.shape[-1])).reshape(n * count, -1, 1)
    size, flat = x.shape[2:], torch.zeros(n, count, 1, dtype=torch.long, device=x.device)
    inside = torch.ones_like(flat, dtype=torch.bool)
    coordinates = torch.unravel_index(positions, window.outputs(size))
    for d, at in enumerate(coordinates):
        entry = at[..., None] * window.stride[d] - window.before[d] + torch.arange(window.kernel[d], device=x.device) * window.dilation[d]
        good, entry = (entry >= 0) & (entry < size[d]), entry.clamp(0, size[d] - 1)
        flat = (flat[..., None] * size[d] + entry[:, :, None]).flatten(2)
        inside = (inside[..., None] & good[:, :, None]).flatten(2)
    index = flat.reshape(n, 1, -1).expand(-1, x.shape[1], -1)
    taken = x.flatten(2).gather(2, index) * inside.reshape(n, 1, -1)
    return taken.reshape(n, x.shape[1], count, -1).transpose(1, 2).reshape(n * count, x.shape[1], -1)
