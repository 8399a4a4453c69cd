"""What the authors' own scripts keep, and the weights that they ran on."""
from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchbase.nets.graph import Trace, read

EXAMPLE = torch.zeros(2, 3, 32, 32)
DATA = Path(__file__).parents[2] / "data"


def golden(method: str) -> dict[str, Any]:
    """The entries of a golden file: "l1norm" or "slimming"."""
    return {k: v for k, v in json.loads((DATA / f"golden_{method}.json").read_text()).items() if k}


@cache
def traced(build: Callable[..., nn.Module], classes: int = 10) -> Trace:
    """The graph of a network, read once: it is the same for all weights."""
    return read(build(classes), EXAMPLE)


def weighted(model: nn.Module, seed: int) -> nn.Module:
    """The model with the weights of the golden rule: convolution i and batch norm i drawn from [seed, 0, i] and [seed, 1, i]."""
    counts = [0, 0]
    with torch.no_grad():
        for module in model.eval().modules():
            kind = 0 if isinstance(module, nn.Conv2d) else 1 if isinstance(module, nn.BatchNorm2d) else None
            if kind is not None:
                i = counts[kind]
                drawn = np.random.default_rng([seed, kind, i]).standard_normal(tuple(module.weight.shape), dtype=np.float32)
                module.weight.copy_(torch.from_numpy(drawn * np.float32(1 + i % 3) if kind == 0 else drawn))
                counts[kind] += 1
    return model


def decided(code: int | str) -> list[int]:
    """The channels in one entry of a golden file."""
    if isinstance(code, int):
        return list(range(code))
    bits = int(code, 16)
    return [c for c in range(bits.bit_length()) if bits >> c & 1]


def conv_shapes(runs: list[tuple[int, list[int]]]) -> list[list[int]]:
    """The shapes of all convolutions, in network order."""
    return [shape for times, shape in runs for _ in range(times)]
