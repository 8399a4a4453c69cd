"""Parameters and multiply-adds against closed forms and torch's own counter."""
from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchbase.nets.cost import cost
from benchbase.nets.graph import read


def counted(model, shape):
    return cost(read(model, torch.randn(2, *shape)), dict(model.named_parameters()))


def torchs(model, shape) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.randn(1, *shape))
    return counter.get_total_flops()


class Head(nn.Sequential):
    """A trunk, the mean over positions, a linear layer."""

    def __init__(self, *trunk, width) -> None:
        super().__init__(*trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 7))


@pytest.mark.parametrize(("layer", "macs"), [
    (nn.Conv2d(4, 6, 3), 6 * 6 * 6 * 4 * 9), (nn.Conv2d(4, 6, 3, padding=1), 64 * 6 * 4 * 9),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1), 16 * 6 * 4 * 9),
    (nn.Conv2d(4, 6, 3, padding=2, dilation=2), 64 * 6 * 4 * 9), (nn.Conv2d(4, 6, (1, 3), padding=(0, 1), bias=False), 64 * 6 * 4 * 3),
    (nn.Conv2d(4, 6, 3, padding="same", groups=2), 64 * 6 * 2 * 9), (nn.Conv2d(4, 8, 3, padding=1, groups=4), 64 * 8 * 9),
    (nn.ConvTranspose2d(4, 6, 2, stride=2), 64 * 4 * 6 * 4)])
def test_layers_against_closed_forms(layer, macs):
    width = layer.out_channels
    model = Head(layer, width=width)
    got = counted(model, (4, 8, 8))
    assert got.macs == macs + 7 * width and 2 * got.macs == torchs(model, (4, 8, 8))
    assert got.params == sum(p.numel() for p in model.parameters())


def test_linear_layers_apply_at_every_position():
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4))
    assert counted(model, (3, 2, 5)).macs == 6 * (5 * 6 + 6 * 4)


def test_zero_weights_count_as_such():
    model = Head(nn.Conv2d(4, 6, 3, padding=1), width=6)
    with torch.no_grad():
        model[0].weight[:2] = 0
        model[0].bias[:] = 0
    got = counted(model, (4, 8, 8))
    assert got.macs - got.macs_nonzero == 64 * 2 * 4 * 9 and got.params - got.nonzero == 2 * 4 * 9 + 6


def test_norms_and_biases_are_no_multiply_adds():
    conv = nn.Conv2d(4, 6, 3, padding=1, bias=False)
    with_norm = Head(conv, nn.BatchNorm2d(6), nn.ReLU(), width=6)
    assert counted(with_norm, (4, 8, 8)).macs == counted(Head(conv, width=6), (4, 8, 8)).macs


def test_a_layer_applied_twice_counts_twice():
    conv = nn.Conv2d(4, 4, 3, padding=1)
    assert counted(Head(conv, conv, width=4), (4, 8, 8)).macs == 2 * 64 * 4 * 4 * 9 + 28
    assert counted(Head(conv, conv, width=4), (4, 8, 8)).params == 4 * 4 * 9 + 4 + 35
