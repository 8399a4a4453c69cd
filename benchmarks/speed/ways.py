"""Two ways to train one epoch, each for a process of its own: what one does to its process (how memory is kept) must not help the other."""
from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from benchbase.training.data import load
from benchbase.training.dataset import Dataset
from benchbase.training.loop import train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase_plugins.models.resnet import resnet20, resnet56
from benchbase_plugins.models.vgg import vgg16

NETWORKS = {"resnet20": resnet20, "resnet56": resnet56, "vgg16": vgg16}
BATCH = 128


class Noise(Dataset):
    """CIFAR's shapes."""

    name, num_classes, shape = "noise", 10, (3, 32, 32)

    def __init__(self, images: int = 1024) -> None:
        self.images = images

    def load(self, root, split):
        return torch.randint(0, 256, (self.images, 3, 32, 32), dtype=torch.uint8), torch.arange(self.images) % 10


class Pictures:
    """Images as most scripts read them: PIL, one at a time, through torchvision's transforms."""

    def __init__(self, count: int) -> None:
        from torchvision.transforms import v2

        images, labels = Noise(count).load(Path(), "train")
        self.images, self.labels = [v2.functional.to_pil_image(image) for image in images], labels.tolist()
        self.vary = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True),
                                v2.Normalize([0.5] * 3, [0.29] * 3)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.vary(self.images[i]), self.labels[i]


def usual(model: nn.Module, batches: DataLoader) -> None:
    """One epoch of the usual way."""
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for x, y in batches:
        optimiser.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimiser.step()


@cache
def way(name: str, network: str, images: int) -> Callable[[], object]:
    """The epoch of a way, its data and its network made."""
    model = NETWORKS[network](10)
    if name == "usual":
        torch.set_num_threads(1)
        return partial(usual, model, DataLoader(Pictures(images), BATCH, shuffle=True))
    machine = Machine()
    machine.prepare()
    return partial(train_, model, Recipe(epochs=1, batch_size=BATCH), load(Noise(images), Path()), Seeds(0), machine)


def epoch(name: str, network: str, images: int) -> float:
    """Seconds of one epoch; what comes before the first one is not counted."""
    call = way(name, network, images)
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
