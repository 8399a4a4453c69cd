"""A gather: the point where a block picks its own channels of a stream that others share."""
from __future__ import annotations

import torch
from torch import Tensor, nn


class ChannelSelect(nn.Module):
    """Passes on the channels that `index` names: all n of them until it is pruned.

    A new group of channels starts here: removing one of them leaves the stream before it whole (network slimming on pre-activation
    ResNets and DenseNets, Liu et al. 2017). The indices belong to the architecture (`Architecture.selects`).
    """

    index: Tensor

    def __init__(self, n: int) -> None:
        super().__init__()
        self.register_buffer("index", torch.arange(n))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n, ...) to (batch, channels kept, ...)."""
        return x.index_select(1, self.index)
