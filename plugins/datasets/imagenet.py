"""ImageNet (ILSVRC 2012), as folders of photographs, read as they are needed."""
from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchbase import BenchError, Dataset, Recipe, hookimpl
from benchbase_plugins.datasets._decode import SIZE, TRIES

if TYPE_CHECKING:
    import torch
    from torch import Tensor

AHEAD = 2  # batches that are decoded while one is trained on


@dataclass(frozen=True)
class ImageNet(Dataset):
    """1,281,167 photographs in 1,000 classes to train on, 50,000 to test on: imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*.JPEG in the data
    folder; nothing is downloaded. Trained as in Liu et al. (ICLR 2019).

    Read whole, in order, an image has its shorter side resized to 256 and its centre 224 x 224 cut out. Read shuffled, for training, it is a
    random crop of 8 to 100 % of the photograph resized to 224 x 224: that is done while decoding, since afterwards the pixels are gone.
    Large photographs are decoded at a reduced scale.

    readers: processes that decode; left out, one a core, 8 at most. The images are the same with any number.
    """

    readers: int = field(default=0, metadata={"identity": False})

    name = "imagenet"
    num_classes = 1000
    shape = (3, SIZE, SIZE)
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    pad = 0
    crops = True
    recipe = Recipe(epochs=90, batch_size=256, lr=0.1, milestones=(1 / 3, 2 / 3))
    finetune = Recipe(epochs=20, batch_size=256, lr=0.001, milestones=())

    def __post_init__(self) -> None:
        if self.readers < 0:
            raise BenchError(f"imagenet[readers={self.readers}] is negative", "give readers of at least 1, or leave it out")

    def stream(self, root: Path, split: str, batch_size: int, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of uint8 (n, 3, 224, 224) and int64 (n,), decoded in processes that stay for all epochs, two batches ahead.

        Every random number is drawn here, batch by batch, so that the images do not depend on who decodes them. In memory, beside the files'
        names (about 0.1 kB each): four batches of 150,528 bytes an image, of which the caller has one; and the readers, below 30 MB each for photographs of 500 x 375.
        """
        import torch

        from benchbase_plugins.datasets._readers import default_count, readers

        files, labels = listed(root / "imagenet" / ("train" if split == "train" else "val"), self.num_classes)
        order = torch.arange(len(files)) if generator is None else torch.randperm(len(files), generator=generator)
        decoding, ahead = readers(self.readers or default_count(), os.getpid()), deque()
        try:
            for index in order.split(batch_size):
                drawn = generator is not None and split == "train"
                draws = torch.rand(len(index), TRIES, 4, generator=generator).tolist() if drawn else [None] * len(index)
                ahead.append((decoding.begin([files[i] for i in index.tolist()], draws), labels[index]))
                if len(ahead) > AHEAD:
                    images, classes = ahead.popleft()
                    yield images.wait(), classes
            while ahead:
                images, classes = ahead.popleft()
                yield images.wait(), classes
        finally:
            for images, _ in ahead:
                images.drop()


def listed(folder: Path, classes: int) -> tuple[list[str], Tensor]:
    """The files of a split's images and their labels, class folder by class folder, by name. Raises BenchError where they are not as they should be."""
    import torch

    names = sorted(f.name for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
    if len(names) != classes:
        raise BenchError(f"imagenet: {folder.parent.name}/{folder.name} in the data folder has {len(names)} of {classes} class folders",
                         "put ILSVRC 2012 there (--data, BENCH_DATA): imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*.JPEG")
    images = [sorted(name for name in os.listdir(folder / wnid) if name.lower().endswith((".jpeg", ".jpg"))) for wnid in names]
    files = [f"{folder / wnid}{os.sep}{name}" for wnid, inside in zip(names, images) for name in inside]
    return files, torch.arange(classes).repeat_interleave(torch.tensor([len(inside) for inside in images]))


@hookimpl
def bench_datasets() -> list[type[Dataset]]:
    return [ImageNet]
