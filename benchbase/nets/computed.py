"""The multiply-adds that a forward pass computes, seen as it runs: for forecasts of time, where a trace would cost seconds."""
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten


class _Seen(TorchDispatchMode):
    """Adds up the multiply-adds of convolutions and linear layers that run inside."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's has no types
        self.macs: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is aten.convolution.default:
            self.macs += result.numel() * args[1][0].numel()  # every output: one weight's entries
        elif func in (aten.mm.default, aten.addmm.default):
            self.macs += result.numel() * args[-2].shape[1]
        return result


def forward_macs(model: nn.Module, example: Tensor) -> int:
    """Multiply-adds of one forward pass of `example`, in whatever device's memory the model lies; zero weights count, since they are computed.

    `benchbase.count` is what records hold; this is the same number without a trace, for networks of convolutions and linear layers. Leaves the model as it was.
    """
    modes = {module: module.training for module in model.modules()}
    first = next(model.parameters(), example)
    try:
        with torch.no_grad(), _Seen() as seen:
            model.eval()(example.to(first.device))
    finally:
        for module, mode in modes.items():
            module.training = mode
    macs: int = seen.macs
    return macs
