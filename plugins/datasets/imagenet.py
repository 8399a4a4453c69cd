"""ImageNet (ILSVRC 2012), as folders of photographs, read as they are needed."""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase import BenchError, Dataset, Recipe, hookimpl

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SIZE, SHORTER = 224, 256
TRIES, AREA, ASPECT = 10, (0.08, 1.0), (3 / 4, 4 / 3)  # of a random crop, as torchvision's RandomResizedCrop
READERS = 8


@dataclass(frozen=True)
class ImageNet(Dataset):
    """1,281,167 photographs in 1,000 classes to train on, 50,000 to test on: imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*.JPEG in the data
    folder; nothing is downloaded. Trained as in Liu et al. (ICLR 2019).

    Read whole, in order, an image has its shorter side resized to 256 and its centre 224 x 224 cut out. Read shuffled, for training, it is a
    random crop of 8 to 100 % of the photograph resized to 224 x 224: that is done while decoding, since afterwards the pixels are gone.
    """

    name = "imagenet"
    num_classes = 1000
    shape = (3, SIZE, SIZE)
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    pad = 0
    recipe = Recipe(epochs=90, batch_size=256, lr=0.1, milestones=(1 / 3, 2 / 3))
    finetune = Recipe(epochs=20, batch_size=256, lr=0.001, milestones=())

    def stream(self, root: Path, split: str, batch_size: int, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of uint8 (n, 3, 224, 224) and int64 (n,), decoded by threads, one batch ahead."""
        from concurrent.futures import ThreadPoolExecutor

        import torch

        files = listed(root / "imagenet" / ("train" if split == "train" else "val"), self.num_classes)
        shuffled = generator is not None
        order = torch.randperm(len(files), generator=generator) if shuffled else torch.arange(len(files))
        with ThreadPoolExecutor(READERS) as pool:
            ahead = None
            for index in order.split(batch_size):
                draws = torch.rand(len(index), TRIES, 4, generator=generator).tolist() if shuffled and split == "train" else [None] * len(index)
                begun = pool.map(decode, [files[i][0] for i in index.tolist()], draws), [files[i][1] for i in index.tolist()]
                if ahead is not None:
                    yield batch_of(*ahead)
                ahead = begun
            if ahead is not None:
                yield batch_of(*ahead)


def batch_of(images: Iterator[Any], labels: list[int]) -> tuple[Tensor, Tensor]:
    """Decoded images as one tensor (n, 3, height, width), and their labels."""
    import numpy as np
    import torch

    return torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def listed(folder: Path, classes: int) -> list[tuple[Path, int]]:
    """(file, label) of a split's images, class folder by class folder, by name. Raises BenchError where they are not as they should be."""
    names = sorted(f.name for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
    if len(names) != classes:
        raise BenchError(f"imagenet: {folder.parent.name}/{folder.name} in the data folder has {len(names)} of {classes} class folders",
                         "put ILSVRC 2012 there (--data, BENCH_DATA): imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*.JPEG")
    return [(file, label) for label, name in enumerate(names) for file in sorted((folder / name).iterdir())
            if file.suffix.lower() in (".jpeg", ".jpg")]


def decode(file: Path, draws: list[list[float]] | None) -> Any:
    """The image as uint8 (224, 224, 3): its centre, or the first crop that fits of those that `draws` say."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file) as image:
            rgb = image.convert("RGB")
        box = crop(*rgb.size, draws) if draws else centre(*rgb.size)
        return np.asarray(rgb.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box))
    except Exception as error:  # noqa: BLE001 -- decoders raise what they like on a damaged file
        raise BenchError(f"imagenet: cannot read {file.parent.name}/{file.name}: {type(error).__name__}", "mend or remove the file") from None


def centre(width: int, height: int) -> tuple[float, float, float, float]:
    """The box (left, upper, right, lower) that becomes 224 x 224 when the shorter side becomes 256."""
    side = min(width, height) * SIZE / SHORTER
    left, upper = (width - side) / 2, (height - side) / 2
    return left, upper, left + side, upper + side


def crop(width: int, height: int, draws: list[list[float]]) -> tuple[float, float, float, float]:
    """A random box: area and the logarithm of its aspect drawn evenly, then its place; the centre where none of the tries fits."""
    for area, aspect, x, y in draws:
        size = width * height * (AREA[0] + area * (AREA[1] - AREA[0]))
        shape = math.exp(math.log(ASPECT[0]) + aspect * (math.log(ASPECT[1]) - math.log(ASPECT[0])))
        w, h = round(math.sqrt(size * shape)), round(math.sqrt(size / shape))
        if 0 < w <= width and 0 < h <= height:
            left, upper = int(x * (width - w + 1)), int(y * (height - h + 1))
            return left, upper, left + w, upper + h
    return centre(width, height)


@hookimpl
def bench_datasets() -> list[type[Dataset]]:
    return [ImageNet]
