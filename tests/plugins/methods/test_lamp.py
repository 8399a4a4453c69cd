"""lamp against its definition, every sum written out."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.prune import prune
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase_plugins.methods.lamp import Lamp, score


def by_definition(weight):
    """Each weight's square over the squares of all that are at least as large, in float64."""
    w = weight.detach().double().numpy().ravel() ** 2
    return np.array([v / w[w >= v].sum() for v in w]).reshape(weight.shape)


def test_scores_are_the_definition():
    weight = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    assert np.allclose(score(weight).numpy(), by_definition(weight), rtol=1e-12) and float(score(weight).max()) == 1
    # by hand: squares 9, 1, 16, 4: 9 / 25, 1 / 30, 1, 4 / 29
    assert score(torch.tensor([-3.0, 1, 4, -2])).tolist() == pytest.approx([9 / 25, 1 / 30, 1, 4 / 29])
    assert score(torch.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
@pytest.mark.parametrize("linear", [False, True])
def test_one_threshold_for_the_scores_of_all_layers(digit_nets, prune_digits, name, linear):
    kinds = (nn.Conv2d, nn.Linear) if linear else nn.Conv2d
    weights = {f"{n}.weight": m.weight for n, m in digit_nets[name].named_modules() if isinstance(m, kinds)}
    scores = {n: by_definition(w) for n, w in weights.items() if w.numel() < 5000}
    pruned = prune_digits(name, Lamp(linear=linear), 0.8)
    values = torch.cat([score(w).flatten() for w in weights.values()]).sort().values
    assert set(pruned.masks) == set(weights)
    bar = values[len(values) * 80 // 100]
    for n, expected in scores.items():
        assert np.array_equal(pruned.masks[n].numpy(), expected > float(bar))
    assert sum(int(m.sum()) for m in pruned.masks.values()) == len(values) - len(values) * 80 // 100 - 1


def test_a_large_valued_layer_does_not_win_by_its_scale():
    """Scaling a layer changes nothing; magnitude would empty the other."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    before = prune(model, Lamp(), 0.7, example=torch.zeros(2, 1, 6, 6)).masks
    with torch.no_grad():
        model[0].weight.mul_(1024)
    after = prune(model, Lamp(), 0.7, example=torch.zeros(2, 1, 6, 6)).masks
    assert all(torch.equal(m, after[n]) for n, m in before.items())


def test_no_layer_is_emptied_and_masked_weights_stay_masked(prune_digits, made_up, machine):
    assert prune_digits("vgg-digits", Lamp(), 0.9999).report["rescued"] == []
    pruned = prune_digits("resnet-digits", Lamp(), 0.9)
    train_(pruned.model, Recipe(epochs=2, batch_size=16, lr=0.1, weight_decay=1e-3), made_up, Seeds(0), machine, masks=pruned.masks)
    for layer, mask in pruned.masks.items():
        assert bool((pruned.model.get_parameter(layer)[~mask] == 0).all()) and bool((pruned.model.get_parameter(layer)[mask] != 0).any())


def test_budgets_of_channels_are_refused(prune_digits):
    with pytest.raises(BenchError, match="lamp"):
        prune_digits("vgg-digits", Lamp(), {"widths": {"features.0": 3}})
