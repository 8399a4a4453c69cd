"""The multiply-adds that a forward pass computes, seen as it runs: for forecasts of time, where a trace would cost seconds."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

COUNTED = (torch.ops.aten.convolution, torch.ops.aten.mm, torch.ops.aten.addmm)  # what convolutions and linear layers come to


def forward_macs(model: nn.Module, example: Tensor) -> int:
    """Multiply-adds of one forward pass of `example`, in whatever device's memory the model lies; zero weights count, since they are computed.

    `benchbase.count` is what records hold; this is the same number without a trace, for networks of convolutions and linear layers. Leaves the model as it was.
    """
    modes = {module: module.training for module in model.modules()}
    first = next(model.parameters(), example)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as seen:
            model.eval()(example.to(first.device))
    finally:
        for module, mode in modes.items():
            module.training = mode
    operations = seen.get_flop_counts()["Global"]
    flops: int = sum(operations.get(operation, 0) for operation in COUNTED)
    return flops // 2
