"""erk against the published recipe in floating point, and a sort within each layer."""
from __future__ import annotations

import math

import numpy as np
import pytest
from torch import nn

from benchbase.errors import BenchError
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase_plugins.methods.erk import Erk, densities

VGG19 = {f"conv{i}": (o, c, 3, 3) for i, (c, o) in enumerate([(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), *[(256, 256)] * 3, (256, 512), *[(512, 512)] * 7])}


def published(shapes, sparsity):
    """Densities as the rule is told: dense layers set aside until no probability passes one; float64."""
    dense = set()
    while True:
        divisor = rhs = 0.0
        raw = {}
        for name, shape in shapes.items():
            size = np.prod(shape)
            if name in dense:
                rhs -= size * sparsity
            else:
                rhs += size * (1 - sparsity)
                raw[name] = np.sum(shape) / size
                divisor += raw[name] * size
        epsilon = rhs / divisor
        worst = max(raw.values())
        if worst * epsilon <= 1:
            return {name: 1.0 if name in dense else epsilon * raw[name] for name in shapes}
        dense |= {name for name, value in raw.items() if value == worst}


@pytest.mark.parametrize("ratio", [0.05, 0.3, 0.5, 0.8, 0.9, 0.99])
@pytest.mark.parametrize("shapes", [VGG19, {"a": (16, 1, 3, 3), "b": (32, 16, 3, 3), "c": (64, 32, 1, 1), "d": (64, 1, 3, 3), "e": (10, 64)}])
def test_densities_are_the_published_ones_and_the_total_is_exact(shapes, ratio):
    counts, expected = densities(shapes, ratio), published(shapes, ratio)
    total = sum(math.prod(s) for s in shapes.values())
    assert sum(counts.values()) == total - int(total * round(ratio * 100)) // 100
    for name, shape in shapes.items():
        assert abs(counts[name] - expected[name] * math.prod(shape)) < 1 + 1e-6 and counts[name] <= math.prod(shape)
    assert max(expected.values()) <= 1 and (ratio > 0.6 or 1.0 in expected.values()), "no layer had to be dense"


def test_removing_almost_nothing_leaves_every_layer_dense():
    assert densities({"a": (4, 2), "b": (2, 2)}, 1e-9) == {"a": 8, "b": 4}


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_the_largest_weights_of_each_layer_stay(digit_nets, prune_digits, name):
    model = digit_nets[name]
    pruned = prune_digits(name, Erk(), 0.8)
    shapes = {f"{n}.weight": tuple(m.weight.shape) for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    counts = densities(shapes, 0.8)
    assert set(pruned.masks) == set(shapes) and pruned.report["rescued"] == []
    for layer, mask in pruned.masks.items():
        size = np.abs(model.get_parameter(layer).detach().double().numpy())
        bar = np.sort(size.ravel())[size.size - counts[layer]]
        assert np.array_equal(mask.numpy(), size >= bar)
    assert len(prune_digits(name, Erk(linear=True), 0.8).masks) == len(shapes) + 1


def test_a_layer_of_next_to_nothing_keeps_one_weight(prune_digits):
    pruned = prune_digits("vgg-digits", Erk(), 0.99998)  # 3 of 139,104 weights for six layers
    assert [int(m.sum()) for m in pruned.masks.values()] == [1] * 6 and len(pruned.report["rescued"]) == 3


def test_masked_weights_stay_masked(prune_digits, made_up, machine):
    pruned = prune_digits("resnet-digits", Erk(), 0.9)
    train_(pruned.model, Recipe(epochs=2, batch_size=16, lr=0.1, weight_decay=1e-3), made_up, Seeds(0), machine, masks=pruned.masks)
    for layer, mask in pruned.masks.items():
        weight = pruned.model.get_parameter(layer)
        assert bool((weight[~mask] == 0).all()) and bool((weight[mask] != 0).all())


def test_budgets_of_channels_are_refused(prune_digits):
    with pytest.raises(BenchError, match="erk"):
        prune_digits("vgg-digits", Erk(), {"widths": {"features.0": 3}})
