"""Your own images, one folder a class."""
from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase import BenchError, Dataset, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"}
MAX_BYTES = 16 * 2**30  # of decoded images: they are held in memory
MAX_FILE, MAX_PIXELS = 256 << 20, 1 << 26  # of one image
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM", "TIFF")  # by content, whatever the name says: no format that calls a program


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """PATH/train/CLASS/*.{jpg,png,...} and PATH/test/CLASS/*, or PATH/val where there is no PATH/test. Classes are the folders'
    names, sorted.

    name: in records and tables; left out, PATH's last component. The path itself is recorded nowhere.  size: images are resized
    and cropped at the centre to size x size; left out, all must have one size.  per_class: a fixed part, the first so many files of each
    class in the order of their names, of the training split and likewise of the test split where it has more; left out, all.
    test_per_class: the same of the test split alone, in place of per_class.
    Read as RGB. Trained as CIFAR in Liu et al. (ICLR 2019); mean and std are those of the training images.
    """

    path: str = field(default="", metadata={"identity": False})
    name: str = "imagefolder"  # type: ignore[misc]
    size: int = 0
    per_class: int = 0
    test_per_class: int = 0

    def __post_init__(self) -> None:
        if self.name == "imagefolder" and self.path:
            object.__setattr__(self, "name", re.sub(r"[^\w.-]+", "-", Path(self.path).expanduser().resolve().name) or "imagefolder")
        if not re.fullmatch(r"\w[\w.-]*", self.name, re.ASCII):
            raise BenchError(f"imagefolder[name={self.name}] is no plain name", "give name= letters, digits, dots and dashes")
        for what in ("size", "per_class", "test_per_class"):
            if getattr(self, what) < 0:
                raise BenchError(f"imagefolder[{what}={getattr(self, what)}] is negative", f"give {what} of at least 1, or leave it out")

    @property
    def folder(self) -> Path:
        """Where the images are. Raises BenchError where there is no such folder."""
        folder = Path(self.path).expanduser()
        if not self.path or not folder.is_dir():
            raise BenchError(f"imagefolder: there is no folder {self.path!r}" if self.path else "imagefolder needs a folder",
                             "write imagefolder:PATH, with PATH/train/CLASS/*.jpg and PATH/test/CLASS/*.jpg in it; PATH may lie in the data folder")
        return folder

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes' names, sorted; label i is class i. Raises BenchError where the splits have other classes."""
        train, test = (class_names(self.split(name)) for name in ("train", "test"))
        if train != test:
            odd = sorted(set(train) ^ set(test))[0]
            raise BenchError(f"imagefolder {self.name}: class {odd!r} is in one split only", "give both splits the same class folders")
        return train

    @property
    def num_classes(self) -> int:  # type: ignore[override]
        """How many class folders there are."""
        return len(self.classes)

    @cached_property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        """(3, height, width): `size`, or the first image's."""
        if self.size:
            return 3, self.size, self.size
        return 3, *decode(self.files("train")[0][0], 0, self.folder).shape[:2]

    def split(self, split: str) -> Path:
        """The folder of "train" or "test"; val is the test split where there is no test folder."""
        names = ("train",) if split == "train" else ("test", "val")
        for name in names:
            if (self.folder / name).is_dir():
                return self.folder / name
        raise BenchError(f"imagefolder {self.name}: {self.path} has no folder {' or '.join(names)}",
                         "put the images into train/CLASS/ and test/CLASS/ (or val/CLASS/)")

    def files(self, split: str) -> list[tuple[Path, int]]:
        """(file, label) of the split's images, class by class, by name."""
        chosen, most = [], self.per_class if split == "train" else self.test_per_class or self.per_class
        for label, name in enumerate(self.classes):
            images = sorted((f for f in (self.split(split) / name).iterdir() if is_image(f)), key=lambda f: f.name)
            if not images:
                raise BenchError(f"imagefolder {self.name}: {self.split(split).name}/{name} has no images", "remove the folder or fill it")
            if split == "train" and len(images) < self.per_class:
                raise BenchError(f"imagefolder {self.name}: {split}/{name} has {len(images)} images, fewer than per_class={self.per_class}",
                                 "ask for fewer a class")
            chosen += [(f, label) for f in images[:most or None]]
        return chosen

    def load(self, root: Path, split: str) -> tuple[Tensor, Tensor]:
        """As uint8 (n, 3, height, width) and int64 (n,). Raises BenchError naming the file that cannot be read."""
        import numpy as np
        import torch

        files, (_, height, width) = self.files(split), self.shape
        if len(files) * height * width * 3 > MAX_BYTES:
            raise BenchError(f"imagefolder {self.name}: {len(files)} images of {height} x {width} don't fit into memory",
                             "give size= or per_class=, or write a data set that streams")
        pixels = np.empty((len(files), height, width, 3), dtype=np.uint8)
        for i, (file, _) in enumerate(files):
            image = decode(file, self.size, self.folder)
            if image.shape != pixels.shape[1:]:
                raise BenchError(f"imagefolder {self.name}: {file.relative_to(self.folder)} is {image.shape[0]} x {image.shape[1]}, "
                                 f"others {height} x {width}", "give size=, as in imagefolder:PATH[size=32]")
            pixels[i] = image
        return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.tensor([label for _, label in files])


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the class folders in a split's folder, sorted. Raises BenchError where there are none, or images beside them."""
    entries = [f for f in folder.iterdir() if not f.name.startswith(".")]
    names = tuple(sorted(f.name for f in entries if f.is_dir()))
    if len({unicodedata.normalize("NFC", name).casefold() for name in names}) < len(names):
        raise BenchError(f"imagefolder: {folder.name} has class folders whose names differ only in case or in how accents are coded",
                         "rename one: some systems take them for one folder")
    if len(names) < 2 or any(is_image(f) for f in entries):
        found = "images outside of class folders" if any(is_image(f) for f in entries) else f"{len(names)} class folders"
        raise BenchError(f"imagefolder: {folder.name} has {found}", "put each class's images into a folder of its own, at least two")
    return names


def is_image(file: Path) -> bool:
    """Whether it is an image by its name; hidden files are none."""
    return file.suffix.lower() in ENDINGS and not file.name.startswith(".")


def decode(file: Path, size: int, folder: Path) -> Any:
    """The image as uint8 (height, width, 3); with a size, resized (bilinear) and cropped at the centre to size x size."""
    import numpy as np
    from PIL import Image, ImageOps

    try:
        if not file.is_file() or not file.resolve().is_relative_to(folder.resolve()) or file.stat().st_size > MAX_FILE:
            raise OSError("no plain file in its folder")
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError("too large")
            rgb = image.convert("RGB")
        if size and rgb.size != (size, size):
            rgb = ImageOps.fit(rgb, (size, size), Image.Resampling.BILINEAR)
        return np.asarray(rgb)
    except Exception as error:  # noqa: BLE001 -- decoders raise what they like on a damaged file
        raise BenchError(f"imagefolder: cannot read {file.relative_to(folder)}: {type(error).__name__}",
                         "mend or remove the file") from None


@hookimpl
def bench_datasets() -> list[type[Dataset]]:
    return [ImageFolder]
