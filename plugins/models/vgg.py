"""The VGG family: CIFAR forms of the paper, and small ones for digits and for minutes.

vgg11, vgg13 and vgg16 have the form of the authors' L1-norm experiments (a normalised hidden linear layer of 512; VGG-16 has 14,987,722
parameters at 10 classes). vgg19 has that of their network slimming (one linear layer, 20,035,018 parameters), its only use in the
paper; vgg19-bias that of their unstructured pruning (convolutions with bias, initialised by fan-in, norm scales 1). vgg16-gap is the
ImageNet form that ThiNet's VGG-GAP and VGG-Tiny are cut from; torchvision:vgg16 is the one with three linear layers.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from benchbase import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


def vgg11(num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG-11, batch norm, a hidden linear layer of 512."""
    return _vgg(11, num_classes, in_channels, hidden=512)


def vgg13(num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG-13, batch norm, a hidden linear layer of 512."""
    return _vgg(13, num_classes, in_channels, hidden=512)


def vgg16(num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG-16 of the L1-norm table: batch norm, a hidden linear layer of 512."""
    return _vgg(16, num_classes, in_channels, hidden=512)


def vgg19(num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG-19 of the network-slimming table: batch norm, one linear layer."""
    return _vgg(19, num_classes, in_channels)


def vgg19_bias(num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG-19 of the unstructured table: convolutions with bias, batch norm, one linear layer."""
    return _vgg(19, num_classes, in_channels, bias=True, gamma=1.0, fan="in")


def vgg16_gap(num_classes: int, in_channels: int = 3) -> nn.Module:
    """VGG-16 of ThiNet's table: convolutions with bias and no norm, no last pool, one linear layer behind the mean over positions."""
    return _vgg(16, num_classes, in_channels, norm=False, bias=True)


def vgg_digits(num_classes: int, in_channels: int = 1) -> nn.Module:
    """Six convolutions and a linear layer for 8 x 8 images: 139,818 parameters on digits, 0.1 to 0.2 s an epoch on a processor core."""
    from ._vgg import VGG

    return VGG((32, 32, "M", 64, 64, "M", 64, 64), num_classes, in_channels)


def vgg_small(num_classes: int, in_channels: int = 3) -> nn.Module:
    """Five convolutions and a linear layer for 32 x 32 images: 4.2 million multiply-adds, half a millisecond an image on a processor core."""
    from ._vgg import VGG

    return VGG((16, "M", 32, "M", 48, 48, "M", 64), num_classes, in_channels)


def _vgg(depth: int, num_classes: int, in_channels: int, **form: object) -> nn.Module:
    from ._vgg import VGG, WIDTHS

    return VGG(WIDTHS[depth], num_classes, in_channels, **form)  # type: ignore[arg-type]


@hookimpl
def bench_models() -> list[Callable[..., nn.Module]]:
    return [vgg11, vgg13, vgg16, vgg19, vgg19_bias, vgg16_gap, vgg_digits, vgg_small]
