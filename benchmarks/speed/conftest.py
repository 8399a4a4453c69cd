"""What benchmarks of several methods measure on, and how."""
from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from torch import nn


@pytest.fixture
def seconds() -> Callable[..., float]:
    """seconds(call, rounds=3): the shortest of a few runs."""
    def shortest(call: Callable[[], object], rounds: int = 3) -> float:
        taken = []
        for _ in range(rounds):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
        return min(taken)
    return shortest


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """Five convolutions of 64 and 128 channels with batch norms, two pools between them, and a linear layer."""
    widths, layers = [3, 64, 64, 128, 128, 128], []
    for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), *([nn.MaxPool2d(2)] if i in (1, 3) else [])]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)).eval()
