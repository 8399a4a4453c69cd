"""synflow against the product of absolute matrices written out, its conservation law, and its schedule."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.prune import prune
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe
from benchbase_plugins.methods.synflow import SynFlow, flow


def chain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8, bias=False), nn.ReLU(), nn.Linear(8, 5, bias=False), nn.ReLU(), nn.Linear(5, 3, bias=False)).eval()


def matrices(weights):
    """Scores of three matrices: (rest above)^T 1 times 1^T (rest below), entry by entry, in float64."""
    a, b, c = (np.abs(np.asarray(w, dtype=np.float64)) for w in weights)
    up_b, up_a = np.ones(3) @ c, np.ones(3) @ c @ b
    down_b, down_c = a @ np.ones(6), b @ (a @ np.ones(6))
    return [np.outer(up_a, np.ones(6)) * a, np.outer(up_b, down_b) * b, np.outer(np.ones(3), down_c) * c]


def test_scores_are_products_of_absolute_matrices(net_of):
    net = net_of(chain(), torch.zeros(2, 6))
    weights = [net.model[i].weight.detach().numpy() for i in (0, 2, 4)]
    names = ["0.weight", "2.weight", "4.weight"]
    for name, expected in zip(names, matrices(weights), strict=True):
        assert np.allclose(flow(net, names, {})[name].numpy(), expected, rtol=1e-12)
    masks = {n: torch.rand(net.model.get_parameter(n).shape, generator=torch.Generator().manual_seed(1)) > 0.5 for n in names}
    for name, expected in zip(names, matrices([w * masks[n].numpy() for w, n in zip(weights, names, strict=True)]), strict=True):
        found = flow(net, names, masks)[name]
        assert found.dtype == torch.float64 and np.allclose(found.numpy(), expected, rtol=1e-12) and bool((found[~masks[name]] == 0).all())


def test_every_layer_carries_the_same_flow(digit_nets, net_of):
    """Conservation: in a chain without biases or norms the scores of each layer sum to the same."""
    net = net_of(chain(), torch.zeros(2, 6))
    sums = [float(s.sum()) for s in flow(net, ["0.weight", "2.weight", "4.weight"], {}).values()]
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-12)


def by_hand(model, ratio, steps):
    """The authors' loop on a copy in float64: absolute parameters and statistics, ones in, a threshold over all convolutions."""
    import copy

    model = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        for t in model.state_dict().values():
            t.abs_()
    convs = {f"{n}.weight": m for n, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    total = sum(m.weight.numel() for m in convs.values())
    for step in range(1, steps + 1):
        model.zero_grad()
        model(torch.ones(1, 1, 8, 8, dtype=torch.float64)).sum().backward()
        scores = {n: (m.weight.grad * m.weight).detach() for n, m in convs.items()}
        bar = torch.cat([s.flatten() for s in scores.values()]).sort().values[int(total * (1 - (1 - ratio) ** (step / steps)))]
        with torch.no_grad():
            masks = {n: s > bar for n, s in scores.items()}
            for n, m in convs.items():
                m.weight.mul_(masks[n])
    return masks


@pytest.mark.parametrize(("name", "steps"), [("vgg-digits", 1), ("vgg-digits", 7), ("resnet-digits", 5)])
def test_the_masks_are_those_of_the_authors_loop(digit_nets, prune_digits, name, steps):
    before = {k: v.clone() for k, v in digit_nets[name].state_dict().items()}
    pruned = prune_digits(name, SynFlow(steps=steps), 0.9)
    expected = by_hand(digit_nets[name], 0.9, steps)
    assert set(pruned.masks) == set(expected) and all(torch.equal(m, expected[n]) for n, m in pruned.masks.items())
    assert pruned.report["rescued"] == []
    for n, value in pruned.model.state_dict().items():
        assert torch.equal(value, before[n] * expected[n] if n in expected else before[n]), n


def test_iterating_saves_layers_that_one_shot_would_empty(prune_digits):
    left = {s: min(int(m.sum()) for m in prune_digits("vgg-digits", SynFlow(steps=s), 0.999).masks.values()) for s in (1, 60)}
    assert left[60] > left[1]


def test_no_data_and_tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.stem, self.one, self.two = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.two.weight = self.one.weight

        def forward(self, x):
            return functional.relu(self.two(functional.relu(self.one(functional.relu(self.stem(x)))))).mean((2, 3))

    masks = prune(Tied(), SynFlow(steps=3), 0.5, example=torch.zeros(2, 1, 5, 5)).masks
    assert set(masks) == {"stem.weight", "one.weight"}


def test_masked_weights_stay_masked(prune_digits, made_up, machine):
    pruned = prune_digits("vgg-digits", SynFlow(steps=3), 0.9)
    train_(pruned.model, Recipe(epochs=2, batch_size=16, lr=0.1, weight_decay=1e-3), made_up, Seeds(0), machine, masks=pruned.masks)
    for layer, mask in pruned.masks.items():
        assert bool((pruned.model.get_parameter(layer)[~mask] == 0).all()) and bool((pruned.model.get_parameter(layer)[mask] != 0).any())


def test_settings_are_checked():
    assert SynFlow().untrained and not SynFlow(trained=True).untrained
    with pytest.raises(BenchError, match="steps=0"):
        SynFlow(steps=0)
