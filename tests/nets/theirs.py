"""Networks in the layouts of the authors' checkpoints: their names and orders of layers, written anew."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Vgg(nn.Module):
    """cfg: widths and "M".  hidden: with the hidden linear layer of the l1-norm experiments, or the one layer of slimming."""

    def __init__(self, cfg: Sequence[int | str], hidden: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for item in cfg:
            if item == "M":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(width, item, 3, padding=1, bias=False), nn.BatchNorm2d(item), nn.ReLU()]
                width = item
        self.feature = nn.Sequential(*layers)
        self.classifier = nn.Linear(width, 10)
        if hidden:
            self.classifier = nn.Sequential(nn.Linear(width, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.feature(x).mean((2, 3)))  # of 2 x 2 positions, at 32 x 32 with four pools


class Block(nn.Module):
    def __init__(self, channels: int, width: int, inner: int) -> None:
        super().__init__()
        self.more, self.step = width - channels, 1 if width == channels else 2
        self.conv1, self.bn1 = nn.Conv2d(channels, inner, 3, self.step, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        short = x if self.step == 1 else functional.avg_pool2d(x, 2)
        if self.more:
            short = torch.cat([short, short.new_zeros(len(x), self.more, *short.shape[2:])], 1)
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))) + short)


class ResNet(nn.Module):
    """cfg: the inner width of each block."""

    def __init__(self, cfg: Sequence[int]) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        n, channels = len(cfg) // 3, 16
        for stage, width in enumerate((16, 32, 64)):
            blocks = [Block(channels if i == 0 else width, width, inner) for i, inner in enumerate(cfg[stage * n:(stage + 1) * n])]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = width
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


class Selection(nn.Module):
    """Passes on the channels whose entry is not zero; stands behind a norm of all channels."""

    def __init__(self, size: int, kept: int) -> None:
        super().__init__()
        self.indexes = nn.Parameter(torch.zeros(size))
        self.indexes.data[torch.randperm(size)[:kept]] = 1

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.indexes.nonzero().flatten()]


class Reading(nn.Module):
    """A norm, a selection, the rest: what dense blocks and transitions of slimming have in common."""

    def __init__(self, channels: int, kept: int, out: int, size: int, joins: bool) -> None:
        super().__init__()
        self.bn1, self.select = nn.BatchNorm2d(channels), Selection(channels, kept)
        self.conv1, self.joins = nn.Conv2d(kept, out, size, padding=size // 2, bias=False), joins

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(torch.relu(self.select(self.bn1(x))))
        return torch.cat([x, out], 1) if self.joins else functional.avg_pool2d(out, 2)


class DenseNet(nn.Module):
    """Three dense blocks of n layers, growth 12; `share` of the channels are read everywhere."""

    def __init__(self, n: int, share: float) -> None:
        super().__init__()
        channels = 24
        self.conv1 = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        for stage in (1, 2, 3):
            layers = []
            for _ in range(n):
                layers.append(Reading(channels, int(share * channels), 12, 3, joins=True))
                channels += 12
            self.add_module(f"dense{stage}", nn.Sequential(*layers))
            if stage < 3:
                self.add_module(f"trans{stage}", Reading(channels, int(share * channels), channels, 1, joins=False))
        self.bn, self.select = nn.BatchNorm2d(channels), Selection(channels, int(share * channels))
        self.fc = nn.Linear(int(share * channels), 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dense3(self.trans2(self.dense2(self.trans1(self.dense1(self.conv1(x))))))
        return self.fc(torch.relu(self.select(self.bn(x))).mean((2, 3)))


class Bottleneck(nn.Module):
    """cfg: channels read, then the two widths inside."""

    def __init__(self, channels: int, width: int, stride: int, cfg: Sequence[int]) -> None:
        super().__init__()
        self.bn1, self.select = nn.BatchNorm2d(channels), Selection(channels, cfg[0])
        self.conv1, self.bn2 = nn.Conv2d(cfg[0], cfg[1], 1, bias=False), nn.BatchNorm2d(cfg[1])
        self.conv2, self.bn3 = nn.Conv2d(cfg[1], cfg[2], 3, stride, 1, bias=False), nn.BatchNorm2d(cfg[2])
        self.conv3 = nn.Conv2d(cfg[2], 4 * width, 1, bias=False)
        self.downsample = None if channels == 4 * width else nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(torch.relu(self.select(self.bn1(x))))
        out = self.conv3(torch.relu(self.bn3(self.conv2(torch.relu(self.bn2(out))))))
        return out + (x if self.downsample is None else self.downsample(x))


class PreResNet(nn.Module):
    """Three stages of n bottlenecks; `share` of the channels stay at every norm."""

    def __init__(self, n: int, share: float) -> None:
        super().__init__()
        self.conv1, channels = nn.Conv2d(3, 16, 3, padding=1, bias=False), 16
        for stage, width in enumerate((16, 32, 64)):
            blocks = []
            for i in range(n):
                cfg = [int(share * channels), int(share * width), int(share * width)]
                blocks.append(Bottleneck(channels, width, 2 if stage and not i else 1, cfg))
                channels = 4 * width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn, self.select = nn.BatchNorm2d(channels), Selection(channels, int(share * channels))
        self.fc = nn.Linear(int(share * channels), 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.fc(torch.relu(self.select(self.bn(x))).mean((2, 3)))


def lived_in(model: nn.Module) -> nn.Module:
    """Norms with scales, shifts and statistics of their own, as training leaves them."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                for t in (module.weight, module.running_var):
                    t.uniform_(0.5, 1.5)
                for t in (module.bias, module.running_mean):
                    t.normal_(0, 0.2)
    return model.eval()
