"""Gratings in noise, float-valued."""
from dataclasses import dataclass

from benchbase import Dataset, Recipe, hookimpl


@dataclass(frozen=True)
class Gratings(Dataset):
    """Sine gratings of four orientations in two channels, at a random phase, in noise."""

    name = "gratings"
    num_classes = 4
    shape = (2, 10, 10)
    pad = 0
    flip = False  # a mirrored grating is one of another class
    recipe = Recipe(epochs=6, batch_size=32, lr=0.05)
    finetune = Recipe(epochs=2, batch_size=32, lr=0.0005, milestones=())

    def load(self, root, split):
        import math

        import torch

        draw = torch.Generator().manual_seed(1 + (split == "test"))
        count = 1024 if split == "train" else 200
        labels = torch.arange(count) % 4
        angle = (labels * math.pi / 4).view(-1, 1, 1, 1)
        y, x = torch.meshgrid(torch.arange(10.0), torch.arange(10.0), indexing="ij")
        phase = 2 * math.pi * torch.rand(count, 2, 1, 1, generator=draw)
        waves = torch.sin(x * angle.cos() + y * angle.sin() + phase)
        return waves + 0.5 * torch.randn(count, 2, 10, 10, generator=draw), labels


@hookimpl
def bench_datasets():
    return [Gratings]
