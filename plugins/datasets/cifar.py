"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from the official archives."""
from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchbase import BenchError, Dataset, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CIFAR10(Dataset):
    """60,000 photographs of 32 x 32 pixels in 10 classes, 50,000 to train on. Read from cifar-10-batches-py in the data folder,
    downloaded when it is missing. Every file is checked against its published MD5 before it is opened.

    Normalised, padded, cropped and mirrored, and trained, as in the authors' repository.
    """

    name = "cifar10"
    num_classes = 10
    shape = (3, 32, 32)
    mean = (0.4914, 0.4822, 0.4465)
    std = (0.2023, 0.1994, 0.2010)
    archive: ClassVar[str] = "CIFAR10"

    def load(self, root: Path, split: str) -> tuple[Tensor, Tensor]:
        """As uint8 (n, 3, 32, 32) and int64 (n,)."""
        import torch

        read = opened(self.archive, root, split == "train")
        images = torch.from_numpy(read.data).permute(0, 3, 1, 2).contiguous()
        return images, torch.tensor(read.targets, dtype=torch.int64)


@dataclass(frozen=True)
class CIFAR100(CIFAR10):
    """60,000 photographs of 32 x 32 pixels in 100 classes, 50,000 to train on; otherwise as cifar10, CIFAR-10's mean and std
    included, as in the authors' repository."""

    name = "cifar100"
    num_classes = 100
    archive: ClassVar[str] = "CIFAR100"


def opened(archive: str, root: Path, train: bool):  # noqa: ANN201 - torchvision's class, which is not imported here
    """torchvision's reader on `root`, after a download where the archive is missing or damaged."""
    from torchvision import datasets

    reader = getattr(datasets, archive)
    with contextlib.suppress(RuntimeError, OSError, EOFError):
        return reader(str(root), train=train)
    print(f"downloading {archive} ({reader.url})", file=sys.stderr)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):
            return reader(str(root), train=train, download=True)
    except (OSError, RuntimeError, EOFError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BenchError(f"{archive} is missing or damaged in the data folder, and its download failed: {why}",
                         f"unpack {reader.filename} ({reader.url}) into it (--data, BENCH_DATA): the folder {reader.base_folder}") from None


@hookimpl
def bench_datasets() -> list[type[Dataset]]:
    return [CIFAR10, CIFAR100]
