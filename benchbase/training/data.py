"""A data set ready for training: normalised batches on the device, the test split behind a door of its own."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchbase.errors import BenchError, raised
from benchbase.training.dataset import Dataset
from benchbase.training.source import Facts, Held, Streamed, describe, no_singles, open_source

PROBE = 16  # images that `augment` is tried on


class Data:
    """Both splits of a data set. The train split is read with `batches` and `calibration`; the test split, labels and images, only
    by `benchbase.training.loop.evaluate` (gate 10).

    name, num_classes, shape: as the Dataset says.  mean, std: one a channel, what images are normalised with, in units of 255 for
    uint8 ones.  fingerprint: sha256 of the images, labels, declared normalisation and of what `augment` does to a few images (and
    reading them, where the data set `crops`): equal content has equal fingerprints, under any name and path.  device: where batches are.
    """

    def __init__(self, dataset: Dataset, source: Held | Streamed, facts: Facts, device: str) -> None:
        self.name, self.num_classes, self.shape, self.device = dataset.name, dataset.num_classes, tuple(dataset.shape), device
        self.mean, self.std = _declared(dataset, facts)
        self._dataset, self._source, self._facts = dataset, source, facts
        unit = 255.0 if facts.uint8 else 1.0
        self._shift, self._scale = ((torch.tensor(v, dtype=torch.float64) * unit).float().view(1, -1, 1, 1).to(device)
                                    for v in (self.mean, self.std))
        self.fingerprint = self._fingerprint()

    def count(self, split: str) -> int:
        """How many images a split has."""
        return self._facts.counts[split]

    def steps(self, batch_size: int) -> int:
        """How many batches an epoch of the train split has."""
        whole, rest = divmod(self.count("train"), batch_size)
        return max(whole + (rest > 1), 1)

    def batches(self, split: str, batch_size: int, seed: int | None = None, augment: bool = False,
                augment_seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images, float32 (n, channels, height, width), and labels, int64 (n,): every image of the train split once.

        Shuffled by `seed`; in file order where it is None. The last batch is short; a single image left over joins the batch before.
        augment: vary the images, with random numbers from `augment_seed` (left out: `seed`). Raises BenchError for any other split.
        In memory, where uint8 images are streamed and at most mirrored: 20 bytes a value of a batch, the data set's own of up to four batches among
        them; float32 ones of this batch and the one before are eight.
        """
        if split != "train":
            raise BenchError(f"the {split} split was asked for in training or selection",
                             "use the train split: test images are for the final evaluation only")
        order = None if seed is None else torch.Generator().manual_seed(seed)
        chance = torch.Generator().manual_seed(augment_seed if augment_seed is not None else seed or 0) if augment else None
        for images, labels in no_singles(self._source.read("train", batch_size, order), batch_size):
            if chance is not None:
                images = self._varied(images, chance)
            yield self._normalised(images), labels

    def calibration(self, images: int, seed: int, batch_size: int = 64) -> list[tuple[Tensor, Tensor]]:
        """The first `images` of the train split as `seed` shuffles it (all, where there are fewer), unaugmented, in batches."""
        chosen: list[tuple[Tensor, Tensor]] = []
        for x, y in self.batches("train", batch_size, seed=seed):
            chosen.append((x[:images], y[:images]))
            images -= len(y)
            if images <= 0:
                break
        return list(no_singles(chosen, batch_size))

    def _held_out(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The test split, for `evaluate` and nobody else: in file order, every image once, the last batch short."""
        for images, labels in self._source.read("test", batch_size, None):
            yield self._normalised(images), labels

    def _normalised(self, images: Tensor) -> Tensor:
        return images.to(torch.float32, copy=True).sub_(self._shift).div_(self._scale)

    def _varied(self, images: Tensor, chance: torch.Generator) -> Tensor:
        """What the data set's `augment` makes of a batch. Raises BenchError where that fails, or gives something else than such a batch."""
        shape, kind = images.shape, images.dtype  # augment may work in place
        try:
            varied = self._dataset.augment(images, chance)
        except (Exception, SystemExit) as error:
            raise BenchError(f"data set {self.name}: augment failed: {raised(error)}"[:500],
                             "mend it: see benchbase.Dataset", "infra_error") from error
        if not isinstance(varied, Tensor) or varied.shape != shape or varied.dtype != kind:
            got = f"{varied.dtype} {tuple(varied.shape)}" if isinstance(varied, Tensor) else type(varied).__name__
            raise BenchError(f"data set {self.name}: augment made {got} out of {kind} {tuple(shape)}", "return images of the same shape and type")
        return varied

    def _fingerprint(self) -> str:
        """What `augment` does enters by its effect on a few images, so that an edit of its code is seen wherever the code lives; and so does
        what reading does to them, where the data set crops."""
        probe = next(self._source.read("train", PROBE, torch.Generator().manual_seed(0) if self._dataset.crops else None))[0]
        varied = self._varied(probe.clone(), torch.Generator().manual_seed(0))
        if varied.is_floating_point():
            varied = (varied * 1000).round().to(torch.int64)  # a last bit that differs between processors is no other data set
        effect = hashlib.sha256(varied.cpu().contiguous().numpy().tobytes()).hexdigest()
        declared = repr((self._dataset.mean and self.mean, self._dataset.std and self.std))
        return hashlib.sha256("\n".join([self._facts.digest, declared, effect]).encode()).hexdigest()


def load(dataset: Dataset, root: Path, device: str = "cpu") -> Data:
    """Open a data set: sets that fit are put on the device whole, uint8 images as uint8; those that stream are read through once.

    root: the folder of downloaded data. Raises BenchError for missing data and for tensors that are not as the data set promises.
    """
    source = open_source(dataset, root, device)
    return Data(dataset, source, describe(dataset, source), device)


def _declared(dataset: Dataset, facts: Facts) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and std that the data set declares, else those of its train split."""
    found = []
    for what, own, measured in (("mean", dataset.mean, facts.mean), ("std", dataset.std, facts.std)):
        values = measured if own is None else tuple(float(v) for v in own)
        if len(values) != dataset.shape[0] or (what == "std" and min(values) <= 0):
            raise BenchError(f"data set {dataset.name}: {what} is {own} with {dataset.shape[0]} channels",
                             "give one number a channel, above 0 for std")
        found.append(values)
    return found[0], found[1]
