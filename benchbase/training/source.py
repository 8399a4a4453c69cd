"""Where raw images come from: tensors on the device, or a stream. Checked once, when opened."""
from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbase.errors import BenchError
from benchbase.training.dataset import Dataset

Batches = Iterator[tuple[Tensor, Tensor]]
SPLITS = ("train", "test")
STREAM_BATCH = 256  # images a batch when a stream is read only to be described


@dataclass(frozen=True)
class Held:
    """Both splits in memory, on the device: a batch is a gather."""

    splits: dict[str, tuple[Tensor, Tensor]]

    def read(self, split: str, batch_size: int, generator: torch.Generator | None) -> Batches:
        """Raw images and labels of every example of the split once, the last batch short; shuffled where there is a generator."""
        images, labels = self.splits[split]
        if generator is None:
            yield from zip(images.split(batch_size), labels.split(batch_size), strict=True)
            return
        for index in torch.randperm(len(labels), generator=generator).to(labels.device).split(batch_size):
            yield images[index], labels[index]


@dataclass(frozen=True)
class Streamed:
    """A data set that streams; each batch is checked as it passes and brought to the device."""

    dataset: Dataset
    root: Path
    device: str

    def read(self, split: str, batch_size: int, generator: torch.Generator | None) -> Batches:
        """As `Held.read`."""
        for images, labels in self.dataset.stream(self.root, split, batch_size, generator):
            images = checked(self.dataset, split, images, labels)
            if len(labels) > batch_size:
                raise _wrong(self.dataset, split, f"a batch of {len(labels)} images where {batch_size} were asked for")
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


@dataclass(frozen=True)
class Facts:
    """What one pass over a data set says: images a split, the sha256 of its tensors, the train split's mean and std a channel
    (in units of 255 for uint8 images), and whether images are uint8."""

    counts: dict[str, int]
    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    uint8: bool


def open_source(dataset: Dataset, root: Path, device: str) -> Held | Streamed:
    """The data set's images, loaded onto the device unless it streams. Raises BenchError for tensors that are not as promised."""
    if dataset.streams:
        return Streamed(dataset, root, device)
    splits = {}
    for split in SPLITS:
        images, labels = dataset.load(root, split)
        splits[split] = (checked(dataset, split, images, labels).contiguous().to(device), labels.contiguous().to(device))
    return Held(splits)


def describe(dataset: Dataset, source: Held | Streamed) -> Facts:
    """Read every image once, in file order. The digest does not depend on batch sizes, names or devices."""
    counts: dict[str, int] = {}
    hashes, moments, kind = [], Moments(), None
    for split in SPLITS:
        pixels, classes, counts[split] = hashlib.sha256(), hashlib.sha256(), 0
        for images, labels in source.read(split, STREAM_BATCH, None):
            if kind not in (None, images.dtype):
                raise _wrong(dataset, split, f"{images.dtype} images beside {kind} ones")
            kind = images.dtype
            pixels.update(images.cpu().contiguous().numpy().tobytes())
            classes.update(labels.cpu().numpy().tobytes())
            counts[split] += len(labels)
            if split == "train":
                moments.add(images)
        if not counts[split]:
            raise _wrong(dataset, split, "no images")
        hashes += [split, str(counts[split]), pixels.hexdigest(), classes.hexdigest()]
    mean, std = moments.of(scale=255.0 if kind == torch.uint8 else 1.0)
    whole = hashlib.sha256("\n".join([str(kind), str(tuple(dataset.shape)), str(dataset.num_classes), *hashes]).encode())
    return Facts(counts, whole.hexdigest(), mean, std, kind == torch.uint8)


class Moments:
    """Mean and standard deviation a channel, accumulated over batches in float64 (exact integers for uint8 images)."""

    def __init__(self) -> None:
        self.count = 0
        self.sums: Any = None
        self.squares: Any = None

    def add(self, images: Tensor) -> None:
        """Count a batch (n, channels, height, width) in."""
        values = images.to(torch.int64 if images.dtype == torch.uint8 else torch.float64)
        sums, squares = values.sum((0, 2, 3)), (values * values).sum((0, 2, 3))
        self.count += values.shape[0] * values.shape[2] * values.shape[3]
        self.sums = sums if self.sums is None else self.sums + sums
        self.squares = squares if self.squares is None else self.squares + squares

    def of(self, scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) of the values divided by `scale`. A channel that never varies has std 1, so that it normalises to 0."""
        mean = self.sums.double() / self.count
        variance = (self.squares.double() / self.count - mean * mean).clamp_min(0)
        std = torch.where(variance > 1e-12 * self.squares.double() / self.count, variance.sqrt(), torch.full_like(mean, scale))
        return tuple((mean / scale).tolist()), tuple((std / scale).tolist())


def checked(dataset: Dataset, split: str, images: Any, labels: Any) -> Tensor:
    """`images`, float ones as float32. Raises BenchError, naming what is wrong, unless both are as a Dataset promises."""
    def need(good: bool, what: Callable[[], str]) -> None:
        if not good:
            raise _wrong(dataset, split, what())

    need(isinstance(images, Tensor) and isinstance(labels, Tensor),
         lambda: f"{type(images).__name__} and {type(labels).__name__}, not two tensors")
    need(images.dtype == torch.uint8 or images.is_floating_point(), lambda: f"{images.dtype} images, neither uint8 nor float")
    need(images.ndim == 4 and tuple(images.shape[1:]) == tuple(dataset.shape),
         lambda: f"images of shape {tuple(images.shape)}, not (n, {', '.join(map(str, dataset.shape))})")
    need(labels.dtype == torch.int64 and tuple(labels.shape) == (len(images),),
         lambda: f"{labels.dtype} labels of shape {tuple(labels.shape)}, not int64 ({len(images)},)")
    need(not len(labels) or (int(labels.min()) >= 0 and int(labels.max()) < dataset.num_classes),
         lambda: f"labels from {int(labels.min())} to {int(labels.max())} with {dataset.num_classes} classes")
    need(images.dtype == torch.uint8 or bool(images.isfinite().all()), lambda: "images with nan or infinity in them")
    sound: Tensor = images if images.dtype == torch.uint8 else images.float()
    return sound


def no_singles(batches: Iterable[tuple[Tensor, Tensor]], batch_size: int) -> Batches:
    """The same batches, one of a single image left over merged into the one before it: in train mode BatchNorm can't take one value
    a channel. Where single images were asked for, they stay."""
    if batch_size == 1:
        yield from batches
        return
    before: tuple[Tensor, Tensor] | None = None
    for images, labels in batches:
        if before is not None and len(labels) == 1:
            before = torch.cat([before[0], images]), torch.cat([before[1], labels])
            continue
        if before is not None:
            yield before
        before = images, labels
    if before is not None:
        yield before


def _wrong(dataset: Dataset, split: str, what: str) -> BenchError:
    return BenchError(f"data set {dataset.name}, split {split}: {what}", "mend its load (or stream): see benchbase.Dataset")
