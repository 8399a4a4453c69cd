"""What a network costs."""
from __future__ import annotations

from dataclasses import dataclass

TRAIN_FACTOR = 3  # multiply-adds of one training step over those of one forward pass: the backward pass costs two


@dataclass(frozen=True)
class Cost:
    """Parameters and multiply-adds of one network on one example.

    A multiply-add counts once; convolutions and linear layers only, biases left out. `nonzero` counts parameters that are not zero,
    `macs_nonzero` the multiply-adds with weights that are not zero: what a perfect sparse kernel would do.
    """

    params: int
    macs: int
    nonzero: int
    macs_nonzero: int
