"""One's own DataLoaders in the place of a data set: batches as they come, counted once."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchbase.errors import BenchError
from benchbase.training.source import no_singles

Batch = tuple[Tensor, Tensor]
TODO = "give a DataLoader, or a list, of (images, labels)"


class Loaders:
    """A train and a test loader of (images, labels), read by the loop and by the evaluation as a data set's `Data` is.

    Batch sizes, order, augmentation and normalisation are the loaders': what they draw from torch's global generator depends on the
    training's seed, what they draw from one of their own does not. Images are float (n, ...), labels int64 (n,), below num_classes.
    Each loader is read through once here. Raises BenchError, naming what is wrong, for other batches, and for what can be read only once.
    """

    name = "the loader"

    def __init__(self, train: Iterable[Any], test: Iterable[Any], num_classes: int, device: str) -> None:
        self.num_classes, self.device = num_classes, device
        self._loaders = {"train": train, "test": test}
        with torch.random.fork_rng(devices=[]):  # a DataLoader draws from the global generator
            self._counts = {split: self._count(split) for split in self._loaders}

    def count(self, split: str) -> int:
        """How many images a pass over the loader gives."""
        return self._counts[split]

    def batches(self, split: str, batch_size: int, seed: int | None = None, augment: bool = False,
                augment_seed: int | None = None) -> Iterator[Batch]:
        """A pass over the training images; the loader decides what the arguments ask for. Raises BenchError for the test split."""
        if split != "train":
            raise BenchError(f"the {split} split was asked for in training or selection", "use the train split")
        yield from no_singles(self._read("train"), 2)

    def calibration(self, images: int) -> list[Batch]:
        """The first `images` that a pass over the training images gives."""
        chosen: list[Batch] = []
        for x, y in self._read("train"):
            chosen.append((x[:images], y[:images]))
            images -= len(y)
            if images <= 0:
                break
        return list(no_singles(chosen, 2))

    def _held_out(self, batch_size: int) -> Iterator[Batch]:
        """A pass over the test images, for `evaluate` and nobody else."""
        return self._read("test")

    def _read(self, split: str) -> Iterator[Batch]:
        for batch in self._loaders[split]:
            images, labels = self._checked(split, batch)
            yield images.to(self.device, torch.float32, non_blocking=True), labels.to(self.device, non_blocking=True)

    def _count(self, split: str) -> int:
        loader = self._loaders[split]
        if not isinstance(loader, Iterable) or isinstance(loader, Iterator):
            raise BenchError(f"the {split} loader is {type(loader).__name__}, which cannot be read more than once", TODO)
        count = sum(len(self._checked(split, batch)[1]) for batch in loader)
        if not count:
            raise BenchError(f"the {split} loader gives no images", TODO)
        return count

    def _checked(self, split: str, batch: Any) -> Batch:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2 or not all(isinstance(t, Tensor) for t in batch):
            raise self._wrong(split, f"{type(batch).__name__} where a batch of images and labels was expected")
        images, labels = batch
        if not images.is_floating_point() or images.dim() < 2:
            raise self._wrong(split, f"images of type {images.dtype} and shape {tuple(images.shape)}, not float (n, ...)")
        if labels.dtype != torch.int64 or tuple(labels.shape) != (len(images),):
            raise self._wrong(split, f"{labels.dtype} labels of shape {tuple(labels.shape)}, not int64 ({len(images)},)")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
            raise self._wrong(split, f"labels from {int(labels.min())} to {int(labels.max())}, and the network has {self.num_classes} outputs")
        return images, labels

    def _wrong(self, split: str, what: str) -> BenchError:
        return BenchError(f"the {split} loader gives {what}", TODO)
