"""The residual networks of the paper's CIFAR tables (depth 6n + 2), a small one for digits and one for few minutes.

ResNet-56 and ResNet-110 have 853,018 and 1,727,962 parameters at 10 classes.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from benchbase import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


def resnet20(num_classes: int, in_channels: int = 3) -> nn.Module:
    """ResNet-20: three blocks a stage."""
    return _resnet(3, num_classes, in_channels)


def resnet32(num_classes: int, in_channels: int = 3) -> nn.Module:
    """ResNet-32: five blocks a stage."""
    return _resnet(5, num_classes, in_channels)


def resnet44(num_classes: int, in_channels: int = 3) -> nn.Module:
    """ResNet-44: seven blocks a stage."""
    return _resnet(7, num_classes, in_channels)


def resnet56(num_classes: int, in_channels: int = 3) -> nn.Module:
    """ResNet-56: nine blocks a stage."""
    return _resnet(9, num_classes, in_channels)


def resnet110(num_classes: int, in_channels: int = 3) -> nn.Module:
    """ResNet-110: eighteen blocks a stage."""
    return _resnet(18, num_classes, in_channels)


def resnet_digits(num_classes: int, in_channels: int = 1) -> nn.Module:
    """ResNet-14 for 8 x 8 images: two blocks a stage, 172,218 parameters on digits."""
    return _resnet(2, num_classes, in_channels)


def resnet_small(num_classes: int, in_channels: int = 3) -> nn.Module:
    """ResNet-8 behind a first convolution of stride 2: 3.1 million multiply-adds at 32 x 32, a third of a millisecond an image on a processor core."""
    return _resnet(1, num_classes, in_channels, stride=2)


def _resnet(blocks: int, num_classes: int, in_channels: int, stride: int = 1) -> nn.Module:
    from ._resnet import ResNet

    return ResNet(blocks, num_classes, in_channels, stride)


@hookimpl
def bench_models() -> list[Callable[..., nn.Module]]:
    return [resnet20, resnet32, resnet44, resnet56, resnet110, resnet_digits, resnet_small]
