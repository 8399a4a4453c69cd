"""Seeds of the parts of a training, hashed from their context."""
from __future__ import annotations

from dataclasses import dataclass

from benchbase.values.digest import seed_of


@dataclass(frozen=True)
class Seeds:
    """The streams of one training: "order", "augmentation" and "dropout" (torch's global generator).

    They depend on the user's seed and on the data set, never on method or architecture: everything trained on one data set with one
    seed sees the same images in the same order, so that comparisons are paired. Each epoch has its own seed, so that a resumed
    training needs no generator's state.
    """

    seed: int
    dataset: str = ""

    def of(self, part: str, epoch: int) -> int:
        """The seed of `part` in `epoch` (from 0)."""
        return seed_of(self.seed, part, self.dataset, epoch)
