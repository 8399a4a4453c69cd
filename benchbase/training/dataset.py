"""What a data set is: two splits of labelled images, and how they are usually trained on.

No torch here: a plugin module that only declares its data set can be listed without it.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from benchbase.values.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Dataset:
    """One data set. Subclass as a frozen dataclass; its fields are its parameters on the command line.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Noise(Dataset):
    ...     '''Nothing to learn.'''
    ...     name = "noise"
    ...     num_classes = 2
    ...     shape = (1, 8, 8)
    ...     def load(self, root, split):
    ...         import torch
    ...         return torch.randn(100, 1, 8, 8), torch.arange(100) % 2

    mean, std: one number a channel, in units of 1 for float images and of 255 for uint8 ones (so that 0.5 is grey); None: taken
    from the training split.  pad, flip: by how many pixels `augment` shifts, and whether it mirrors.  crops: whether a shuffled `stream` of the
    training split already varies the images; a few of those enter the fingerprint then.
    recipe, finetune: how a network is trained on it, and fine-tuned, unless told otherwise; as they stand, those of Liu et al.
    (ICLR 2019) for CIFAR.
    """

    name: ClassVar[str] = ""
    num_classes: ClassVar[int]
    shape: ClassVar[tuple[int, int, int]]  # channels, height, width
    mean: ClassVar[tuple[float, ...] | None] = None
    std: ClassVar[tuple[float, ...] | None] = None
    pad: ClassVar[int] = 4
    flip: ClassVar[bool] = True
    crops: ClassVar[bool] = False
    recipe: ClassVar[Recipe] = Recipe()
    finetune: ClassVar[Recipe] = Recipe(epochs=40, lr=0.001, milestones=())

    def load(self, root: Path, split: str) -> tuple[Tensor, Tensor]:
        """The images, uint8 or float (n, channels, height, width), and labels, int64 (n,), of split "train" or "test".

        root: the folder of downloaded data, which may not exist yet. The same call gives the same tensors every time.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither load(root, split) nor stream(root, split, batch_size, generator)")

    def stream(self, root: Path, split: str, batch_size: int, generator: torch.Generator | None) -> Iterator[tuple[Tensor, Tensor]]:
        """For a set too large for memory, instead of `load`: every image of the split once, in batches of `batch_size`, the last one
        short. Shuffled by `generator`; in a fixed order where it is None. Not augmented, as `augment` is called on each batch; only what `crops`
        may cut training images out while it decodes them, and never where `generator` is None.

        Whoever overrides this is never asked to `load`.
        """
        raise NotImplementedError

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """A random variation of a batch of training images, of the same shape and type: zero-padded by `pad` pixels, cropped at random
        and, with `flip`, mirrored half of the time, unless overridden. Draw random numbers only from `generator`, which is on the CPU."""
        if not (self.pad or self.flip):
            return images
        from benchbase.training.augment import crop_flip

        return crop_flip(images, generator, self.pad, self.flip)

    @property
    def streams(self) -> bool:
        """Whether it comes in a stream rather than in memory."""
        return type(self).stream is not Dataset.stream
