"""Data sets, protocols and metrics with one fault each."""
from dataclasses import replace

import torch

from benchbase import Dataset, Metric, Protocol, hookimpl


class Stripes(Dataset):
    """Horizontal or vertical stripes in noise."""

    num_classes, shape, pad, flip = 2, (1, 8, 8), 0, False

    def seed(self, split):
        return 1 if split == "train" else 2

    def load(self, root, split):
        labels = torch.arange(40) % 2
        rows = (torch.arange(8) % 2).float().expand(8, 8)
        noise = torch.randn(40, 8, 8, generator=torch.Generator().manual_seed(self.seed(split)))
        return (torch.stack([rows.T if label else rows for label in labels]) + noise)[:, None], labels


class OneSplit(Stripes):
    """Tests on what it trained on."""

    name = "one-split"

    def seed(self, split):
        return 1


class Unseeded(Stripes):
    """Draws its noise anew each time."""

    name = "unseeded"

    def seed(self, split):
        return int(torch.randint(1000, ()))


class Narrow(Stripes):
    """Has labels of 32 bits."""

    name = "narrow"

    def load(self, root, split):
        images, labels = super().load(root, split)
        return images, labels.int()


class Empty(Stripes):
    """Says that it has a third class."""

    name, num_classes = "empty-class", 3


class Shakes(Stripes):
    """Varies by torch's global generator."""

    name = "shakes"

    def augment(self, images, generator):
        return images + torch.rand(1)


class Recipeless(Stripes):
    """Has a table for a recipe."""

    name, recipe = "recipeless", {"epochs": 3}


class Infinite(Metric):
    """Is not a number."""

    name = "infinite"

    def measure(self, model, evaluation):
        return float("nan")


class Switches(Metric):
    """Leaves the network in train mode."""

    name = "switches"

    def measure(self, model, evaluation):
        model.train()
        return 1.0


class Erases(Metric):
    """Zeroes a layer to see what it was worth."""

    name = "erases"

    def measure(self, model, evaluation):
        model.fc.weight.data.zero_()
        return 1.0


class Wanders(Metric):
    """Is another number each time."""

    name = "wanders"

    def measure(self, model, evaluation):
        return float(torch.rand(1, generator=GENERATOR))


GENERATOR = torch.Generator()


def divides(base, finetune, dense, pruned):
    """As many epochs as were saved, which may be none to divide by."""
    return replace(base, epochs=base.epochs * dense.macs // (dense.macs - pruned.macs))


@hookimpl
def bench_datasets():
    return [OneSplit, Unseeded, Narrow, Empty, Shakes, Recipeless]


@hookimpl
def bench_metrics():
    return [Infinite(), Switches(), Erases(), Wanders()]


@hookimpl
def bench_protocols():
    return [Protocol("divides", "fresh", divides, "K1 F1 / (F1 - F2)"), Protocol("wordless", "fresh", lambda base, finetune, dense, pruned: base)]
