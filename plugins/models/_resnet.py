"""Residual networks for small images (He et al. 2016, section 4.2, shortcut option A)."""
from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 64)


class OptionA(nn.Module):
    """Shortcut without parameters to half the size and more channels: 2x2 means, then zero channels behind the others.

    The gradient flows through it. (The authors' CIFAR code cuts it there by `x.data`; that is a bug, not the protocol.)
    """

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c + more, ceil(h / 2), ceil(w / 2)): odd sizes round up, as the convolution beside it does."""
        return functional.pad(functional.avg_pool2d(x, 2, ceil_mode=True), (0, 0, 0, 0, 0, self.more))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut. `conv1` writes channels that nothing else touches, so they can go alone."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.shortcut = nn.Identity() if stride == 1 else OptionA(width - channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, width, h / stride, w / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResNet(nn.Module):
    """A convolution, three stages of `blocks` basic blocks of 16, 32 and 64 channels, the mean over positions, one linear layer.
    stride: of the first convolution."""

    def __init__(self, blocks: int, num_classes: int, in_channels: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(in_channels, WIDTHS[0], 3, stride, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU()
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], blocks, 1)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], blocks, 2)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], blocks, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(WIDTHS[2], num_classes)
        self.apply(self.init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, in_channels, height, width) to logits (n, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        return self.fc(self.pool(self.layer3(self.layer2(self.layer1(x)))).flatten(1))

    def init_weights(self, module: nn.Module) -> None:
        """Fresh weights of one layer, from the shapes it has now: convolutions N(0, sqrt(2 / (k k out))), the rest as torch does."""
        if isinstance(module, nn.Conv2d):
            outputs, _, height, width = module.weight.shape
            nn.init.normal_(module.weight, 0, math.sqrt(2 / (height * width * outputs)))
        elif isinstance(module, (nn.Linear, nn.BatchNorm2d)):
            module.reset_parameters()


def _stage(channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(channels, width, stride), *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))
