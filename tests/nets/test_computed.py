from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import benchbase
from benchbase.nets.computed import forward_macs


@pytest.mark.parametrize("name, shape", [("vgg-digits", (1, 8, 8)), ("resnet-digits", (1, 8, 8)), ("resnet20", (3, 32, 32))])
def test_it_is_what_records_count(name, shape):
    model, example = benchbase.build_model(name, num_classes=10, in_channels=shape[0]), torch.randn(1, *shape)
    assert forward_macs(model, example) == benchbase.count(model, example).macs > 0


def test_by_hand_grouped_functional_and_masked_and_nothing_is_changed():
    """A depthwise convolution of 4 channels on 6 x 6: 4 * 36 * 9; a functional one to 2: 2 * 36 * 4; linear of 72 to 5. Zeros count."""
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.b = nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.Parameter(torch.zeros(2, 4, 1, 1))
            self.c = nn.Linear(72, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.c(F.conv2d(self.norm(self.a(x)), self.b).flatten(1))

    net = Net()
    net.norm.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert forward_macs(net, torch.randn(1, 4, 6, 6)) == 4 * 36 * 9 + 2 * 36 * 4 + 72 * 5
    assert net.training and not net.norm.training and all(torch.equal(before[name], value) for name, value in net.state_dict().items())
