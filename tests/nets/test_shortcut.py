"""A block without its branch, against the same thing written out."""
from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.graph import read
from benchbase.nets.shortcut import Block, blocks_of, silence_
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


class Branch(nn.Module):
    """x plus a branch that ends as it is told."""

    def __init__(self, *end, short=None):
        super().__init__()
        self.body, self.end, self.short = nn.Conv2d(3, 3, 3, padding=1), nn.Sequential(*end), short or nn.Identity()

    def forward(self, x):
        return torch.relu(self.short(x) + self.end(self.body(x)))


class DropPath(nn.Module):
    def forward(self, x):
        return x


class Standardised(nn.Conv2d):
    def forward(self, x):
        return nn.functional.conv2d(x, self.weight - self.weight.mean(), self.bias)


class Learned(nn.Module):
    """What is added is no shortcut: it does not depend on the input."""

    def __init__(self):
        super().__init__()
        self.body, self.bias = nn.Conv2d(3, 3, 1), nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x):
        return self.body(x) + self.bias


@pytest.mark.parametrize(("block", "last"), [
    (Branch(nn.Identity()), "0.body"), (Branch(nn.BatchNorm2d(3)), "0.end.0"),
    (Branch(nn.BatchNorm2d(3), nn.Dropout(0.2), DropPath(), nn.Identity()), "0.end.0"),
    (Branch(nn.GroupNorm(3, 3), short=nn.Conv2d(3, 3, 1, bias=False)), None), (Branch(nn.GroupNorm(3, 3)), "0.end.0"),
    (Branch(nn.Conv2d(3, 3, 1), short=nn.Conv2d(3, 3, 1)), "0.end.0"),
    (Branch(nn.ReLU()), None), (Branch(nn.BatchNorm2d(3, affine=False)), None), (Branch(Standardised(3, 3, 1)), None), (Learned(), None),
    (Branch(nn.Softmax2d()), None)])
def test_blocks_end_in_a_layer_that_scales_them(block, last):
    model = nn.Sequential(block, nn.Conv2d(3, 3, 1)).eval()
    assert blocks_of(model) == ((Block("0", last),) if last else ())
    if last:
        short = torch.relu(block.short(X))
        with torch.no_grad():
            layer, wanted = model.get_submodule(last), torch.relu(block.short(X) + 3 * block.end(block.body(X)))
            for p in layer.parameters():
                p.mul_(3)
            assert torch.allclose(block(X), wanted, atol=1e-4)
            silence_(model, ["0"])
            assert torch.equal(block(X), short)
            drop_(model, ["0"])
            assert torch.equal(model[0](X), short)


def test_a_layer_used_twice_scales_no_branch_alone():
    class Twice(Branch):
        def forward(self, x):
            return x + self.body(self.body(x))
    assert blocks_of(nn.Sequential(Twice())) == ()


def test_of_blocks_within_modules_that_have_one_addition_the_innermost_count():
    stage = nn.Sequential(nn.Conv2d(3, 3, 1), Branch(nn.BatchNorm2d(3)), nn.ReLU())
    assert blocks_of(nn.Sequential(stage)) == (Block("0.1", "0.1.end.0"),)
    names = [b.path for b in blocks_of(resnet())]
    assert names == [f"layer{i}.{j}" for i in (1, 2, 3, 4) for j in (0, 1)]
