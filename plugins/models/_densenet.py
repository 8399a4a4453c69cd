"""Densely connected networks for small images (Huang et al., CVPR 2017)."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchbase import ChannelSelect

STEM = 2  # channels of the first convolution, in units of the growth


class Layer(nn.Module):
    """Adds `growth` channels to the stream: norm, ReLU and a 3x3 convolution, behind a 1x1 to 4 `growth` channels in a bottleneck.

    `select` picks the channels of the stream that the layer reads: it can leave some out, and the stream stays whole for the others.
    """

    def __init__(self, channels: int, growth: int, bottleneck: bool) -> None:
        super().__init__()
        self.select, self.bn1 = ChannelSelect(channels), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        if bottleneck:
            self.conv1, self.bn2 = nn.Conv2d(channels, 4 * growth, 1, bias=False), nn.BatchNorm2d(4 * growth)
            self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(channels, growth, 3, padding=1, bias=False)
        self.bottleneck = bottleneck

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, channels + growth, h, w)."""
        out = self.conv1(self.relu(self.bn1(self.select(x))))
        if self.bottleneck:
            out = self.conv2(self.relu(self.bn2(out)))
        return torch.cat([x, out], 1)


class Transition(nn.Module):
    """Half the size: norm, ReLU, a 1x1 convolution, 2x2 means. Its norm reads the stream through a gather, too."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.select, self.bn1 = ChannelSelect(channels), nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.pool = nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, width, ceil(h / 2), ceil(w / 2))."""
        return self.pool(self.conv1(self.relu(self.bn1(self.select(x)))))


class DenseNet(nn.Module):
    """A convolution, three dense blocks of `layers` layers each with transitions between them, the last norm, the mean over positions,
    one linear layer.

    compression: by how much a transition divides the channels.  gamma: initial scale of the norms.
    """

    def __init__(self, layers: int, num_classes: int, in_channels: int = 3, *, growth: int = 12, bottleneck: bool = False,
                 compression: int = 1, gamma: float = 1.0) -> None:
        super().__init__()
        self.gamma = gamma
        more, channels = layers * growth, STEM * growth
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.dense1 = _block(channels, layers, growth, bottleneck)
        self.trans1 = Transition(channels + more, channels := (channels + more) // compression)
        self.dense2 = _block(channels, layers, growth, bottleneck)
        self.trans2 = Transition(channels + more, channels := (channels + more) // compression)
        self.dense3 = _block(channels, layers, growth, bottleneck)
        self.select, self.bn = ChannelSelect(channels + more), nn.BatchNorm2d(channels + more)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels + more, num_classes)
        self.apply(self.init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, in_channels, height, width) to logits (n, num_classes)."""
        x = self.dense3(self.trans2(self.dense2(self.trans1(self.dense1(self.conv1(x))))))
        return self.fc(self.pool(self.relu(self.bn(self.select(x)))).flatten(1))

    def init_weights(self, module: nn.Module) -> None:
        """Fresh weights of one layer, from the shapes it has now: convolutions N(0, sqrt(2 / (k k out))), the linear layer as torch does."""
        if isinstance(module, nn.Conv2d):
            outputs, _, height, width = module.weight.shape
            nn.init.normal_(module.weight, 0, math.sqrt(2 / (height * width * outputs)))
        elif isinstance(module, (nn.Linear, nn.BatchNorm2d)):
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, self.gamma)


def _block(channels: int, layers: int, growth: int, bottleneck: bool) -> nn.Sequential:
    return nn.Sequential(*(Layer(channels + i * growth, growth, bottleneck) for i in range(layers)))
