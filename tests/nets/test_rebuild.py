"""Fresh weights of the pruned fans. Shapes are written by hand: no tracing takes part."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.init import kaiming_normal_

from benchbase.errors import BenchError
from benchbase.nets.fresh import dense_writes, watch
from benchbase.nets.rebuild import build, rebuild, shell
from benchbase.nets.seeded import global_state, moved
from benchbase.nets.weights import digest_of
from benchbase.values.architecture import Architecture

WIDE, SMALL = 256, 64


class Plain(nn.Module):
    """As torchvision does it: initialised in the constructor, by a name that was imported from torch.nn.init."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, WIDE, 3, bias=False), nn.BatchNorm2d(WIDE)
        self.two = nn.Conv2d(WIDE, WIDE, 3)
        self.depth = nn.Conv2d(WIDE, WIDE, 3, groups=WIDE)
        self.head = nn.Linear(WIDE, 10)
        kaiming_normal_(self.two.weight, mode="fan_out", nonlinearity="relu")
        nn.init.constant_(self.norm.weight, 0.5)
        nn.init.normal_(self.head.weight, 0, 0.01)

    def forward(self, x):
        x = functional.relu(self.norm(self.one(x)))
        return self.head(self.depth(self.two(x)).mean((2, 3)))


PLAIN = Architecture("Plain", 10, (3, 9, 9), shapes={
    "one.weight": (SMALL, 3, 3, 3), "norm.weight": (SMALL,), "norm.bias": (SMALL,), "norm.running_mean": (SMALL,), "norm.running_var": (SMALL,),
    "two.weight": (128, SMALL, 3, 3), "two.bias": (128,), "depth.weight": (128, 1, 3, 3), "depth.bias": (128,), "head.weight": (10, 128)})


def _near(tensor, std, tolerance=0.06):
    tensor = tensor.detach()
    assert abs(float(tensor.std()) / std - 1) < tolerance, (float(tensor.std()), std)


def test_fans_are_the_pruned_ones():
    net = build(PLAIN, seed=1, model=Plain)
    assert (net.two.in_channels, net.two.out_channels, net.depth.groups, net.norm.num_features, net.head.in_features) == (SMALL, 128, 128, SMALL, 128)
    _near(net.two.weight, math.sqrt(2 / (9 * 128)))                   # kaiming fan_out, set in the constructor
    _near(net.one.weight, math.sqrt(1 / 3 / 27))                      # Conv2d's own reset: U(-1/sqrt(fan_in), ...)
    bound = 1 / math.sqrt(9 * SMALL)                                  # its bias, whose bound Conv2d computes itself
    assert 0.9 * bound < float(net.two.bias.detach().abs().max()) <= bound
    _near(net.head.weight, 0.01)                                      # a constant is a constant
    assert 0.9 / math.sqrt(128) < float(net.head.bias.detach().abs().max()) * 1.1 and float(net.head.bias.detach().abs().max()) <= 1 / math.sqrt(128)
    assert net.norm.weight.unique().tolist() == [0.5] and net.norm.bias.count_nonzero() == 0 and net.norm.running_var.unique().tolist() == [1.0]
    assert net(torch.randn(2, 3, 9, 9)).shape == (2, 10)


def test_same_seed_same_bits_and_no_global_draw():
    before = global_state()
    one, two, other = (build(PLAIN, seed=s, model=Plain) for s in (5, 5, 6))
    assert moved(before, global_state()) == ""
    torch.rand(3)
    assert digest_of(one.state_dict()) == digest_of(two.state_dict()) == digest_of(build(PLAIN, seed=5, model=Plain).state_dict())
    assert digest_of(one.state_dict()) != digest_of(other.state_dict())


def test_scratch_is_no_slice_of_the_dense_net():
    dense = build(Architecture("Plain", 10, (3, 9, 9)), seed=3, model=Plain)
    small = build(PLAIN, seed=4, model=Plain)
    pair = torch.stack([dense.two.weight[:128, :SMALL].flatten(), small.two.weight.flatten()])
    assert abs(float(torch.corrcoef(pair.detach())[0, 1])) < 0.02


def test_a_reset_is_seen_where_the_memory_holds_its_values_already():
    with torch.random.fork_rng(), watch() as seen:
        layer = nn.Conv2d(3, 4, 3)
        torch.manual_seed(1)
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))
        torch.manual_seed(1)
        layer.reset_parameters()
    assert {write.module for write, _ in dense_writes(layer, seen).values()} == {layer}


class Raw(nn.Module):
    """Bare parameters: one with its own reset_parameters, one drawn in the constructor."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(WIDE, 3, 3, 3))
        self.weight = nn.Parameter(torch.randn(10, WIDE) / math.sqrt(WIDE))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.kernel[0].numel())
        self.kernel.data.uniform_(-bound, bound)

    def forward(self, x):
        return functional.linear(functional.conv2d(x, self.kernel).mean((2, 3)), self.weight)


def test_bare_parameters_and_guesses_are_reported():
    architecture = Architecture("Raw", 10, (3, 9, 9), shapes={"kernel": (SMALL, 3, 3, 3), "weight": (10, SMALL)})
    made = rebuild(architecture, seed=0, model=Raw)
    assert made.guessed == ("weight",)
    _near(made.model.kernel, 1 / math.sqrt(3 * 27))
    _near(made.model.weight, 1 / math.sqrt(SMALL), 0.12)
    with pytest.warns(UserWarning, match="weight"):
        build(architecture, model=Raw)


class First(nn.Module):
    """A first-party model: init_weights(module), and something before it that it leaves alone."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, WIDE, 3), nn.Conv2d(WIDE, 10, 3)
        self.apply(self.init_weights)

    def init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            module.weight.data.normal_(0, math.sqrt(2 / (9 * module.out_channels)))

    def forward(self, x):
        return self.two(self.one(x)).mean((2, 3))


def test_init_weights_is_applied_to_the_sliced_layers():
    shapes = {"one.weight": (SMALL, 3, 3, 3), "one.bias": (SMALL,), "two.weight": (10, SMALL, 3, 3)}
    architecture = Architecture("First", 10, (3, 9, 9), shapes=shapes)
    made = rebuild(architecture, seed=0, model=First)
    assert made.guessed == ()
    _near(made.model.one.weight, math.sqrt(2 / (9 * SMALL)))
    _near(made.model.two.weight, math.sqrt(2 / 90))
    assert float(made.model.two.bias.detach().abs().max()) <= 1 / math.sqrt(9 * SMALL)


def test_masked_init_accounts_for_the_sparsity():
    """protocol.md 4: std = sqrt(2/n), n = nonzero weights / in_channels, where the dense init is fan-out."""
    mask = torch.rand(WIDE, WIDE, 3, 3, generator=torch.Generator().manual_seed(0)) < 0.1
    architecture = Architecture("Plain", 10, (3, 9, 9), masks=digest_of({"two.weight": mask}))
    weight = build(architecture, seed=0, masks={"two.weight": mask}, model=Plain).two.weight
    assert bool((weight[~mask] == 0).all())
    _near(weight[mask], math.sqrt(2 / (int(mask.sum()) / WIDE)))
    dense = build(replace(architecture, masks=""), seed=9, model=Plain).two.weight
    assert abs(float(torch.corrcoef(torch.stack([weight[mask], dense[mask]]))[0, 1])) < 0.02
    for masks, word in [(None, "none were given"), ({"two.weight": ~mask}, "not those")]:
        with pytest.raises(BenchError, match=word):
            build(architecture, masks=masks, model=Plain)
    with pytest.raises(BenchError, match="has none"):
        build(PLAIN, masks={"two.weight": mask}, model=Plain)


@pytest.mark.parametrize(("shapes", "word"), [
    ({"three.weight": (1, 2)}, "three.weight"), ({"one.weight": (WIDE + 1, 3, 3, 3)}, "one.weight"), ({"one.weight": (SMALL, 3)}, "one.weight"),
    ({"one.weight": (SMALL, 3, 3, 3)}, "does not run")])
def test_an_architecture_of_another_model_is_refused(shapes, word):
    with pytest.raises(BenchError, match=word):
        build(replace(PLAIN, shapes=shapes), model=Plain)


def test_what_is_missing_is_named():
    with pytest.raises(BenchError, match="model=a function"):
        build(PLAIN)
    with pytest.raises(BenchError, match="lambda"):
        build(PLAIN, model=Plain())
    with pytest.raises(BenchError, match="trained weights"):
        build(PLAIN, model=lambda: _loaded())


def _loaded() -> nn.Module:
    net = Plain()
    net.load_state_dict(Plain().state_dict())
    return net


def test_open_model_gets_the_architecture_and_a_shell_takes_weights():
    asked = []
    net = build(PLAIN, seed=2, open_model=lambda a: (asked.append(a.model), Plain())[1])
    empty = shell(PLAIN, model=Plain)
    empty.load_state_dict(net.state_dict())
    assert asked == ["Plain"] and digest_of(empty.state_dict()) == digest_of(net.state_dict())


def test_torchvision_resnet_dense_equals_its_own_statistics():
    torchvision = pytest.importorskip("torchvision")
    shapes = {"layer1.0.conv1.weight": (16, 64, 3, 3), "layer1.0.conv2.weight": (64, 16, 3, 3)} | {
        f"layer1.0.bn1.{k}": (16,) for k in ("weight", "bias", "running_mean", "running_var")}
    made = rebuild(Architecture("torchvision:resnet18", 10, (3, 32, 32), shapes=shapes), seed=0,
                   model=lambda: torchvision.models.resnet18(num_classes=10))
    assert made.guessed == ()
    _near(made.model.layer1[0].conv1.weight, math.sqrt(2 / (16 * 9)))     # fan_out of the 16 that stayed
    _near(made.model.layer1[0].conv2.weight, math.sqrt(2 / (64 * 9)))
    assert made.model.layer1[0].bn1.weight.unique().tolist() == [1.0]
    assert float(made.model.fc.weight.detach().abs().max()) <= 1 / math.sqrt(512)
