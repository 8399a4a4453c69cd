"""Pre-activation residual networks of the CIFAR tables: PreResNet-20 and -56 of basic blocks, -110 and -164 of bottlenecks.

The authors publish the 110 and the 164 with bottlenecks (12 and 18 blocks a stage: depth 9n + 2); the shallow ones have basic blocks
(depth 6n + 2). Every block picks its channels of the shared stream through a gather, and so does the last norm, as in the authors'
network slimming. Norm scales start at 0.5 in PreResNet-164 (their network slimming), at 1 in PreResNet-110 (their unstructured pruning)
and in the shallow ones, which the paper does not use.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from benchbase import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


def preresnet20(num_classes: int, in_channels: int = 3) -> nn.Module:
    """PreResNet-20: three basic blocks a stage."""
    return _preresnet("BasicBlock", 3, num_classes, in_channels)


def preresnet56(num_classes: int, in_channels: int = 3) -> nn.Module:
    """PreResNet-56: nine basic blocks a stage."""
    return _preresnet("BasicBlock", 9, num_classes, in_channels)


def preresnet110(num_classes: int, in_channels: int = 3) -> nn.Module:
    """PreResNet-110 of the unstructured table: twelve bottlenecks a stage."""
    return _preresnet("Bottleneck", 12, num_classes, in_channels)


def preresnet164(num_classes: int, in_channels: int = 3) -> nn.Module:
    """PreResNet-164 of the network-slimming table: eighteen bottlenecks a stage, norm scales that start at 0.5."""
    return _preresnet("Bottleneck", 18, num_classes, in_channels, gamma=0.5)


def _preresnet(block: str, blocks: int, num_classes: int, in_channels: int, **form: float) -> nn.Module:
    from . import _preresnet as nets

    return nets.PreResNet(getattr(nets, block), blocks, num_classes, in_channels, **form)


@hookimpl
def bench_models() -> list[Callable[..., nn.Module]]:
    return [preresnet20, preresnet56, preresnet110, preresnet164]
