"""Densely connected networks of the CIFAR tables, growth 12 (Huang et al., CVPR 2017).

DenseNet-40: 12 layers a block, no bottleneck, no compression (1,059,298 parameters at 10 classes). DenseNet-100: what the authors'
unstructured experiments build under the name of DenseNet-BC-100, 32 layers a block without bottlenecks and compression 2 (4,068,490).
DenseNet-BC-100: the network of that name, 16 bottlenecks a block and compression 2 (769,162). Layers, transitions and the last norm pick
their channels of the stream through gathers, as in the authors' network slimming. Norm scales start at 0.5 in DenseNet-40 (their network
slimming) and at 1 in the others (their unstructured pruning).
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from benchbase import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


def densenet40(num_classes: int, in_channels: int = 3) -> nn.Module:
    """DenseNet-40 of the network-slimming table: no bottleneck, no compression, norm scales that start at 0.5."""
    return _densenet(12, num_classes, in_channels, gamma=0.5)


def densenet100(num_classes: int, in_channels: int = 3) -> nn.Module:
    """DenseNet-100 of the unstructured table, there called DenseNet-BC-100: compression 2 and no bottleneck."""
    return _densenet(32, num_classes, in_channels, compression=2)


def densenet_bc_100(num_classes: int, in_channels: int = 3) -> nn.Module:
    """DenseNet-BC-100: bottlenecks and compression 2."""
    return _densenet(16, num_classes, in_channels, bottleneck=True, compression=2)


def _densenet(layers: int, num_classes: int, in_channels: int, **form: object) -> nn.Module:
    from ._densenet import DenseNet

    return DenseNet(layers, num_classes, in_channels, **form)  # type: ignore[arg-type]


@hookimpl
def bench_models() -> list[Callable[..., nn.Module]]:
    return [densenet40, densenet100, densenet_bc_100]
