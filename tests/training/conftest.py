from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchbase.training.data import Data, load
from benchbase.training.dataset import Dataset
from benchbase.training.machine import Machine


def tensors(split: str, train: int = 129, test: int = 97, classes: int = 4):
    """Noise, brighter by class; uint8."""
    count = train if split == "train" else test
    generator = torch.Generator().manual_seed(len(split))
    labels = torch.randint(0, classes, (count,), generator=generator)
    images = torch.randint(0, 90, (count, 2, 6, 6), generator=generator) + 50 * labels.view(-1, 1, 1, 1)
    return images.to(torch.uint8), labels


@dataclass(frozen=True)
class TinySet(Dataset):
    """129 training images: at batch size 32 or 64 one is left over."""

    train: int = 129
    test: int = 97

    name = "tiny"
    num_classes = 4
    shape = (2, 6, 6)

    def load(self, root: Path, split: str):
        return tensors(split, self.train, self.test)


class TinyStream(Dataset):
    """The same images out of torch's DataLoader."""

    name = "tiny-stream"
    num_classes = 4
    shape = (2, 6, 6)

    def stream(self, root: Path, split: str, batch_size: int, generator):
        yield from DataLoader(TensorDataset(*tensors(split)), batch_size, shuffle=generator is not None, generator=generator)


@pytest.fixture(scope="session")
def small():
    """A maker of seeded networks: convolution, batch norm, dropout, linear."""
    def make(seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(6, 8, 3),
                             nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    return make


@pytest.fixture(scope="session")
def same():
    """Whether two networks have the same bits."""
    def compare(a: nn.Module, b: nn.Module) -> bool:
        one, two = a.state_dict(), b.state_dict()
        return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)
    return compare


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    made.prepare()
    return made


@pytest.fixture(scope="session")
def Tiny() -> type[Dataset]:
    return TinySet


@pytest.fixture(scope="session")
def tiny() -> Data:
    return load(TinySet(), Path("nowhere"))


@pytest.fixture(scope="session")
def streamed() -> Data:
    return load(TinyStream(), Path("nowhere"))
