"""A block without its branch, against the same thing written out."""
from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.graph import read
from benchbase.nets.surgery import drop_

X = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def resnet(name="resnet18"):
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None).eval()


def written_out(model, dropped, x):
    """The forward of a torchvision ResNet with some blocks as their shortcut."""
    x = model.maxpool(functional.relu(model.bn1(model.conv1(x))))
    for i in (1, 2, 3, 4):
        for j, block in enumerate(getattr(model, f"layer{i}")):
            short = block.downsample(x) if block.downsample is not None else x
            x = functional.relu(short) if f"layer{i}.{j}" in dropped else block(x)
    return model.fc(model.avgpool(x).flatten(1))


@pytest.mark.parametrize(("name", "dropped"), [("resnet18", ["layer1.1", "layer3.0"]), ("resnet50", ["layer2.0", "layer2.3"])])
def test_a_block_becomes_its_shortcut(name, dropped):
    model = resnet(name)
    with torch.no_grad():
        wanted = written_out(model, dropped, X)
        before = set(model.state_dict())
        drop_(model, dropped)
        assert torch.equal(model(X), wanted)
    gone = before - set(model.state_dict())
    assert gone and all(any(k.startswith(f"{d}.") for d in dropped) and "downsample" not in k for k in gone) and set(model.state_dict()) <= before
    assert not model.training and all(not g.name.startswith(tuple(f"{d}.conv" for d in dropped)) for g in read(model, X).groups)
    model.train()(X).sum().backward()


def test_the_shorter_side_is_the_shortcut():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.short = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return torch.tanh(self.short(x) + self.b(self.a(x)))
    model = nn.Sequential(Two())
    wanted = torch.tanh(model[0].short(X))
    drop_(model, ["0"])
    assert torch.equal(model(X), wanted) and set(model.state_dict()) == {"0.short.weight", "0.short.bias"}


def test_what_is_no_block_is_refused():
    class Even(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.a(x) + self.b(x)
    model = nn.Sequential(Even(), nn.Conv2d(3, 3, 1))
    for path, word in (("0", "equally many"), ("1", "0 additions"), ("7", "no block")):
        with pytest.raises(BenchError, match=word):
            drop_(model, [path])
