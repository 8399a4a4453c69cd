"""Networks with one fault each."""
import torch
from torch import nn

from benchbase import hookimpl


def layers(num_classes, in_channels, norm=None):
    """A small network."""
    return nn.Sequential(nn.Conv2d(in_channels, 8, 3, padding=1), norm or nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, num_classes))


def colour_only(num_classes, in_channels=3):
    """Takes three channels, whatever was said."""
    return layers(num_classes, 3)


def thousand(num_classes, in_channels=3):
    """Has a thousand classes, whatever was said."""
    return layers(1000, in_channels)


def stored(num_classes, in_channels=3):
    """Comes with weights that are always the same."""
    torch.manual_seed(0)
    return layers(num_classes, in_channels)


def numpys(num_classes, in_channels=3):
    """Draws its weights with numpy."""
    import numpy as np

    model = layers(num_classes, in_channels)
    model[0].weight.data = torch.from_numpy(np.random.randn(*model[0].weight.shape)).float()
    return model


def batchwise(num_classes, in_channels=3):
    """Normalises by the batch in eval mode too."""
    return layers(num_classes, in_channels, nn.BatchNorm2d(8, track_running_stats=False))


def pinned(num_classes, in_channels=3):
    """Nothing of it can be removed."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * in_channels, num_classes))


class Drawn(nn.Module):
    """Weights drawn by hand."""

    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.first = nn.Parameter(0.2 * torch.randn(8, in_channels, 3, 3))
        self.second = nn.Parameter(0.2 * torch.randn(6, 8, 3, 3))
        self.fc = nn.Linear(6, num_classes)

    def forward(self, x):
        x = torch.relu(nn.functional.conv2d(x, self.first))
        return self.fc(torch.relu(nn.functional.conv2d(x, self.second)).mean((2, 3)))


def by_hand(num_classes, in_channels=3):
    """Its initialiser is in nobody's sight."""
    return Drawn(num_classes, in_channels)


def no_docs(num_classes, in_channels=3):
    return layers(num_classes, in_channels)


@hookimpl
def bench_models():
    return [colour_only, thousand, stored, numpys, batchwise, pinned, by_hand, no_docs]
