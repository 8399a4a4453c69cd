"""Handwritten digits, 8 x 8 grey pixels, as scikit-learn ships them: nothing to download."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase import Dataset, Recipe, hookimpl

if TYPE_CHECKING:
    from torch import Tensor

TRAIN = 899  # of 1,797: about half, as in scikit-learn's own example


@dataclass(frozen=True)
class Digits(Dataset):
    """1,797 real digits, 899 to train on and 898 to test on, in file order: the test digits are by other writers.

    Pixels keep their raw values 0 to 16. Augmented by shifts of up to one pixel, never mirrored. A smoke test: it shows pipeline,
    controls and budgets in seconds; at convergence all protocols lie within a point. The recipes have the paper's proportions
    (a tenth of the rate at 1/2 and 3/4 of training; fine-tuning for a quarter of the epochs at 1 % of the rate); vgg-digits reaches
    97.6 % on average (97.2 at rate 0.1, 96.3 unshifted; 98.2 in three times the epochs).
    """

    name = "digits"
    num_classes = 10
    shape = (1, 8, 8)
    pad = 1
    flip = False
    recipe = Recipe(epochs=24, batch_size=64, lr=0.05)
    finetune = Recipe(epochs=6, batch_size=64, lr=0.0005, milestones=())

    def load(self, root: Path, split: str) -> tuple[Tensor, Tensor]:
        """As uint8 (n, 1, 8, 8) and int64 (n,)."""
        images, labels = read()
        part = slice(0, TRAIN) if split == "train" else slice(TRAIN, None)
        return images[part], labels[part]


@dataclass(frozen=True)
class DigitsIID(Digits):
    """The same digits, 899 and 898 drawn at random (one fixed shuffle, not stratified): every writer is in both splits."""

    name = "digits-iid"

    def load(self, root: Path, split: str) -> tuple[Tensor, Tensor]:
        """As uint8 (n, 1, 8, 8) and int64 (n,)."""
        import numpy as np

        images, labels = read()
        order = np.random.RandomState(0).permutation(len(labels))  # a stream that numpy has frozen
        part = order[:TRAIN] if split == "train" else order[TRAIN:]
        return images[part], labels[part]


def read() -> tuple[Any, Any]:
    """All images and labels, in file order, as scikit-learn's load_digits gives them."""
    import numpy as np
    import torch

    file = shipped()
    if file.is_file():
        table = np.loadtxt(file, delimiter=",", dtype=np.int64)  # importing scikit-learn takes longer than all else here
        images, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    else:
        from sklearn.datasets import load_digits

        images, labels = load_digits().images, load_digits().target
    return torch.from_numpy(images).to(torch.uint8)[:, None], torch.from_numpy(labels).to(torch.int64)


def shipped() -> Path:
    """The file that load_digits reads, found without importing scikit-learn."""
    from importlib.util import find_spec

    package = find_spec("sklearn")
    return Path(package.origin if package and package.origin else "").parent / "datasets" / "data" / "digits.csv.gz"


@hookimpl
def bench_datasets() -> list[type[Dataset]]:
    return [Digits, DigitsIID]
