"""The mask controls: magnitude's counts layer by layer, or in all, and positions that chance alone decides."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase_plugins.methods.magnitude import Magnitude
from benchbase_plugins.methods.mask_controls import LayerShuffled, RandomMask

BOTH = pytest.mark.parametrize("control", [LayerShuffled(), RandomMask()])
NETS = pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])


def left(masks):
    return {n: int(m.sum()) for n, m in masks.items()}


@NETS
def test_layer_shuffled_has_magnitudes_counts_in_every_layer(prune_digits, name):
    ours, theirs = prune_digits(name, LayerShuffled(), 0.8), prune_digits(name, Magnitude(), 0.8)
    assert left(ours.masks) == left(theirs.masks) and ours.report["nonzero"] == theirs.report["nonzero"]
    assert ours.report["macs_nonzero"] == theirs.report["macs_nonzero"]
    # two independent masks of densities d and e overlap in d e of the places
    for layer, mask in ours.masks.items():
        other = theirs.masks[layer]
        if mask.numel() > 2000:
            assert float((mask & other).float().mean()) == pytest.approx(float(mask.float().mean() * other.float().mean()), abs=0.03)


@NETS
def test_random_mask_has_the_count_and_one_density_for_all_layers(prune_digits, name):
    ours, theirs = prune_digits(name, RandomMask(), 0.8), prune_digits(name, Magnitude(), 0.8)
    assert sum(left(ours.masks).values()) == sum(left(theirs.masks).values()) and left(ours.masks) != left(theirs.masks)
    for mask in ours.masks.values():  # five standard deviations
        assert float(mask.float().mean()) == pytest.approx(0.2, abs=5 * (0.16 / mask.numel()) ** 0.5)


@BOTH
def test_the_draw_is_the_seeds_and_kept_weights_are_the_trained_ones(digit_nets, prune_digits, control):
    one, again, other = (prune_digits("vgg-digits", control, 0.7, seed=s) for s in (1, 1, 2))
    assert all(torch.equal(m, again.masks[n]) for n, m in one.masks.items())
    assert not all(torch.equal(m, other.masks[n]) for n, m in one.masks.items())
    for layer, mask in one.masks.items():
        assert torch.equal(one.model.get_parameter(layer), digit_nets["vgg-digits"].get_parameter(layer) * mask)


@BOTH
def test_a_layer_is_never_emptied(net_of, prune_digits, digit_nets, control):
    report = prune_digits("vgg-digits", control, 0.9999).report
    masks = prune_digits("vgg-digits", control, 0.9999).masks
    assert min(left(masks).values()) >= 1 and report["rescued"], "no layer was in danger"


@BOTH
def test_linear_layers_when_asked(prune_digits, control):
    assert len(prune_digits("vgg-digits", type(control)(linear=True), 0.5).masks) == 7 and len(prune_digits("vgg-digits", control, 0.5).masks) == 6


@BOTH
@NETS
def test_masked_weights_stay_masked(prune_digits, made_up, machine, control, name):
    pruned = prune_digits(name, control, 0.9)
    train_(pruned.model, Recipe(epochs=2, batch_size=16, lr=0.1, weight_decay=1e-3), made_up, Seeds(0), machine, masks=pruned.masks)
    for layer, mask in pruned.masks.items():
        weight = pruned.model.get_parameter(layer)
        assert bool((weight[~mask] == 0).all()) and bool((weight[mask] != 0).any())


@BOTH
def test_no_convolutions_and_budgets_of_channels_are_refused(prune_digits, control):
    from benchbase.nets.prune import prune

    with pytest.raises(BenchError, match="no convolutions"):
        prune(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), control, 0.5, example=torch.zeros(2, 4))
    with pytest.raises(BenchError, match=control.name):
        prune_digits("vgg-digits", control, {"widths": {"features.0": 3}})
