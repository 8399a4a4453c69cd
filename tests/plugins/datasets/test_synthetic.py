from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchbase.errors import BenchError
from benchbase.training.data import load
from benchbase_plugins.datasets.synthetic import Synthetic


def test_sizes_are_fields_and_seeds_are_kept():
    made = Synthetic(num_classes=3, size=5, channels=2, train=30, test=12)
    images, labels = made.load(Path(), "train")
    assert images.shape == (30, 2, 5, 5) and images.dtype == torch.float32 and labels.bincount().tolist() == [10, 10, 10]
    assert torch.equal(images, made.load(Path(), "train")[0]) and load(made, Path()).count("test") == 12
    other = Synthetic(num_classes=3, size=5, channels=2, train=30, test=12, seed=1)
    assert not torch.equal(images, other.load(Path(), "train")[0])
    assert not torch.equal(images[:12], made.load(Path(), "test")[0])


def test_the_classes_are_separable():
    """The nearest class mean of the training images tells the test images apart."""
    made = Synthetic()
    (images, labels), (held, truth) = made.load(Path(), "train"), made.load(Path(), "test")
    means = torch.stack([images[labels == c].mean(0) for c in range(4)]).flatten(1)
    assert (torch.cdist(held.flatten(1), means).argmin(1) == truth).double().mean() > 0.99


@pytest.mark.parametrize("field", ["num_classes", "size", "channels", "train", "test", "noise", "seed"])
def test_out_of_range(field):
    with pytest.raises(BenchError, match=field):
        Synthetic(**{field: -1})
