"""Made-up images of any size, in no time: for tests and trials."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchbase import BenchError, Dataset, Recipe, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Synthetic(Dataset):
    """Gaussian blobs: each class is one image of normal noise, each example its class's image plus `noise` times normal noise.

    Float-valued, not augmented, linearly separable at the default noise.  num_classes, size, channels: of the images.  train, test: images a
    split.  seed: of everything drawn.
    """

    num_classes: int = 4
    size: int = 8
    channels: int = 1
    train: int = 512
    test: int = 256
    noise: float = 1.0
    seed: int = 0

    name = "synthetic"
    pad = 0
    flip = False
    recipe = Recipe(epochs=8, batch_size=64, lr=0.05)
    finetune = Recipe(epochs=2, batch_size=64, lr=0.0005, milestones=())

    def __post_init__(self) -> None:
        for field, least in (("num_classes", 2), ("size", 1), ("channels", 1), ("train", 2), ("test", 1), ("noise", 0), ("seed", 0)):
            if not getattr(self, field) >= least:
                raise BenchError(f"synthetic[{field}={getattr(self, field)}] makes no images", f"give {field} of at least {least}")

    @property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        """(channels, size, size)."""
        return self.channels, self.size, self.size

    def load(self, root: Path, split: str) -> tuple[Tensor, Tensor]:
        """As float32 (n, channels, size, size) and int64 (n,), the classes in turn."""
        import torch

        count = self.train if split == "train" else self.test
        centres = torch.randn(self.num_classes, *self.shape, generator=torch.Generator().manual_seed(self.seed))
        labels = torch.arange(count) % self.num_classes
        noise = torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(2 * self.seed + 1 + (split == "test")))
        return centres[labels] + self.noise * noise, labels


@hookimpl
def bench_datasets() -> list[type[Dataset]]:
    return [Synthetic]
