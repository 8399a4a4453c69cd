"""What a network costs."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


def pruned_cost(report: Mapping[str, Any], masked: bool) -> Cost:
    """The pruned network's cost, from the report of its pruning. Weights that happen to be zero count; masked ones do not (contract: scratch-b
    of masked networks)."""
    params, macs = report["params"]["pruned"], report["macs"]["pruned"]
    return Cost(params, macs, report["nonzero"]["pruned"], report["macs_nonzero"]["pruned"]) if masked else Cost(params, macs, params, macs)
