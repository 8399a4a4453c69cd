"""Pre-activation residual networks for small images (He et al. 2016, "Identity Mappings in Deep Residual Networks")."""
from __future__ import annotations

import math

from torch import Tensor, nn

from benchbase import ChannelSelect

WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions behind norm and ReLU, beside a shortcut that takes the stream as it comes.

    `select` picks the channels of the stream that the block reads: it can leave some out, and the stream stays whole for the others.
    """

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.select, self.bn1 = ChannelSelect(channels), nn.BatchNorm2d(channels)
        self.conv1, self.bn2 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.relu = nn.ReLU()
        self.shortcut = _shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, width, h / stride, w / stride)."""
        out = self.conv1(self.relu(self.bn1(self.select(x))))
        return self.conv2(self.relu(self.bn2(out))) + self.shortcut(x)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each behind norm and ReLU; four times as many channels come out as there are between them."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.select, self.bn1 = ChannelSelect(channels), nn.BatchNorm2d(channels)
        self.conv1, self.bn2 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn3 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.relu = nn.ReLU()
        self.shortcut = _shortcut(channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, 4 width, h / stride, w / stride)."""
        out = self.conv1(self.relu(self.bn1(self.select(x))))
        out = self.conv2(self.relu(self.bn2(out)))
        return self.conv3(self.relu(self.bn3(out))) + self.shortcut(x)


class PreResNet(nn.Module):
    """A convolution, three stages of `blocks` blocks of 16, 32 and 64 channels, the last norm, the mean over positions, one linear layer.

    gamma: initial scale of the norms.
    """

    def __init__(self, block: type[BasicBlock] | type[Bottleneck], blocks: int, num_classes: int, in_channels: int = 3, *, gamma: float = 1.0) -> None:
        super().__init__()
        self.gamma = gamma
        self.conv1 = nn.Conv2d(in_channels, WIDTHS[0], 3, padding=1, bias=False)
        first, second, last = (width * block.expansion for width in WIDTHS)
        self.layer1 = _stage(block, WIDTHS[0], WIDTHS[0], blocks, 1)
        self.layer2 = _stage(block, first, WIDTHS[1], blocks, 2)
        self.layer3 = _stage(block, second, WIDTHS[2], blocks, 2)
        self.select, self.bn = ChannelSelect(last), nn.BatchNorm2d(last)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(last, num_classes)
        self.apply(self.init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, in_channels, height, width) to logits (n, num_classes)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
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


def _shortcut(channels: int, width: int, stride: int) -> nn.Module:
    """The stream itself, or a 1x1 convolution where its size or its channels change."""
    return nn.Identity() if stride == 1 and channels == width else nn.Conv2d(channels, width, 1, stride, bias=False)


def _stage(block: type[BasicBlock] | type[Bottleneck], channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    inside = width * block.expansion
    return nn.Sequential(block(channels, width, stride), *(block(inside, width, 1) for _ in range(blocks - 1)))
