"""The ground that checks stand on: four small networks that differ in what ties channels together, and images that tell who looks at them."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchbase.nets.graph import Trace, read
from benchbase.nets.seeded import seeded
from benchbase.training.data import Data, load
from benchbase.training.dataset import Dataset
from benchbase.values.recipe import Recipe

CLASSES, SHAPE = 4, (3, 8, 8)
RECIPE = Recipe(epochs=2, batch_size=32, lr=0.05)


def block(inputs: int, outputs: int, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Body(nn.Module):
    """A network with a linear layer behind the mean over positions; `features` is what differs."""

    def __init__(self, features: nn.Module, width: int) -> None:
        super().__init__()
        self.features, self.fc = features, nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.features(x).mean((2, 3)))
        return logits


class Residual(nn.Module):
    """x + branch(x), where the shortcut is a convolution if the width changes; ReLU."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle)
        self.conv2, self.bn2 = nn.Conv2d(middle, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(branch + self.shortcut(x))


class Concat(nn.Module):
    """x beside what two convolutions make of it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.left, self.right = block(inputs, outputs), block(inputs, outputs + 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.left(x), self.right(x)], 1)


def plain() -> nn.Module:
    """Three layers one after another, of widths that a ratio does not divide."""
    return Body(nn.Sequential(block(3, 8), block(8, 10), nn.MaxPool2d(2), block(10, 7)), 7)


def residual() -> nn.Module:
    """Three blocks, one with a convolution in its shortcut."""
    return Body(nn.Sequential(block(3, 8), Residual(8, 10, 8), nn.MaxPool2d(2), Residual(8, 9, 12), Residual(12, 11, 12)), 12)


def depthwise() -> nn.Module:
    """Depthwise convolutions between pointwise ones."""
    return Body(nn.Sequential(block(3, 9), block(9, 9, groups=9), block(9, 12), block(12, 12, groups=12), block(12, 8)), 8)


def concat() -> nn.Module:
    """Outputs of several layers read as one."""
    return Body(nn.Sequential(block(3, 6), Concat(6, 4), Concat(16, 5), block(28, 9)), 9)


NETWORKS: dict[str, Callable[[], nn.Module]] = {f.__name__: f for f in (plain, residual, depthwise, concat)}


@dataclass(frozen=True)
class Squares(Dataset):
    """A bright square in one corner of four, in noise. asked: the splits that were asked for, in turn."""

    asked: list[str] = field(default_factory=list, compare=False)

    name = "squares"
    num_classes = CLASSES
    shape = SHAPE
    pad = 0
    flip = False

    def load(self, root: Path, split: str) -> tuple[Tensor, Tensor]:
        """64 images to train on, 32 to test."""
        self.asked.append(split)
        count, generator = (64, torch.Generator().manual_seed(1)) if split == "train" else (32, torch.Generator().manual_seed(2))
        labels = torch.arange(count) % CLASSES
        images = 0.3 * torch.randn(count, *SHAPE, generator=generator)
        for i, label in enumerate(labels.tolist()):
            row, column = 4 * (label // 2), 4 * (label % 2)
            images[i, :, row:row + 4, column:column + 4] += 1
        return images, labels


@dataclass(frozen=True)
class Watched:
    """The images of a data set, and every split that is read from it noted in `asked`."""

    source: Any
    asked: list[str]

    def read(self, split: str, batch_size: int, generator: Any) -> Iterator[Any]:
        """As the source does."""
        self.asked.append(split)
        batches: Iterator[Any] = self.source.read(split, batch_size, generator)
        return batches


@cache
def images() -> tuple[Data, list[str]]:
    """The images ready for training, and the list of splits read from them since."""
    dataset = Squares()
    data = load(dataset, Path())
    data._source = Watched(data._source, dataset.asked)  # type: ignore[assignment]
    return data, dataset.asked


def network(name: str, seed: int = 1) -> nn.Module:
    """The network called so in eval mode, its weights drawn, norms as after a training: scales, shifts and statistics of all sizes."""
    with seeded(seed):
        model = NETWORKS[name]().eval()
        for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
            nn.init.uniform_(norm.weight, 0.1, 1)
            nn.init.normal_(norm.bias, 0, 0.2)
            if norm.running_mean is not None:
                nn.init.normal_(norm.running_mean, 0, 0.2)
    return model


def example() -> Tensor:
    """Two images of noise."""
    return torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))


@cache
def trace(name: str) -> Trace:
    """The network called so, read; once a process."""
    return read(network(name), example())
