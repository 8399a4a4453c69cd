"""growing-reg against a training loop with the penalty written into the loss, in plain torch."""
from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.flow.cells import identified
from benchbase.nets.graph import read
from benchbase.nets.net import Net
from benchbase.training.loop import Checkpoints, train_
from benchbase.training.seeds import Seeds
from benchbase.values.budget import Budget
from benchbase.values.recipe import Recipe
from benchbase_plugins.methods.growing_reg import GrowingPenalty, GrowingReg

RECIPE, SEEDS = Recipe(epochs=5, batch_size=16, lr=0.05, momentum=0.9, weight_decay=1e-3), Seeds(0)
BUDGET = Budget(ratios={"0": 0.6, "2": 0.3})  # keeps 4 of 10 and 4 of 7


def fresh() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 10, 3, padding=1), nn.ReLU(), nn.Conv2d(10, 7, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 10))


def live(model: nn.Module, steps: int = 20) -> Net:
    trace = read(model, torch.randn(2, 1, 8, 8))
    return Net(model, trace, torch.Generator(), trace.groups, steps=steps)


def by_hand(model, data, start, full, ceiling):
    """SGD as in the textbook, lambda / 2 |w|^2 of the chosen filters in the loss."""
    velocity, step, chosen = {n: torch.zeros_like(p) for n, p in model.named_parameters()}, 0, None
    for epoch in range(RECIPE.epochs):
        batches = data.batches("train", RECIPE.batch_size, SEEDS.of("order", epoch), augment=True, augment_seed=SEEDS.of("augmentation", epoch))
        for x, y in batches:
            progress = step / 20
            if progress >= start and chosen is None:
                l1 = {i: np.abs(model[i].weight.detach().double().numpy()).sum((1, 2, 3)) for i in (0, 2)}
                chosen = {0: np.argsort(l1[0])[:6].tolist(), 2: np.argsort(l1[2])[:3].tolist()}
            loss = functional.cross_entropy(model(x), y)
            if chosen:
                strength = ceiling * min((progress - start) / (full - start), 1)
                loss = loss + sum(strength / 2 * model[i].weight[gone].square().sum() for i, gone in chosen.items())
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for name, p in model.named_parameters():
                    velocity[name].mul_(RECIPE.momentum).add_(p.grad + RECIPE.weight_decay * p)
                    p.sub_(RECIPE.lr_at(step / 20) * velocity[name])
            step += 1
    return chosen


@pytest.mark.parametrize(("start", "full", "ceiling"), [(0.5, 0.75, 1.0), (0.0, 1.0, 3.0), (0.3, 0.31, 0.5)])
def test_the_training_is_the_penalised_one(made_up, machine, start, full, ceiling):
    ours, theirs = fresh(), fresh()
    train_(ours, RECIPE, made_up, SEEDS, machine, GrowingPenalty(BUDGET, start, full, ceiling), net=live(ours))
    by_hand(theirs, made_up, start, full, ceiling)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-3, atol=1e-5), name
    plain = fresh()
    train_(plain, RECIPE, made_up, SEEDS, machine)
    assert not torch.allclose(plain[0].weight, ours[0].weight, rtol=1e-3, atol=1e-5)


def test_what_was_penalised_is_small_and_goes(made_up, machine, net_of):
    model, hand = fresh(), fresh()
    train_(model, RECIPE, made_up, SEEDS, machine, GrowingPenalty(BUDGET, 0.2, 0.5, 20.0), net=live(model))
    chosen = by_hand(hand, made_up, 0.2, 0.5, 20.0)
    norms = model[0].weight.detach().flatten(1).norm(dim=1)
    stay = [c for c in range(10) if c not in chosen[0]]
    assert float(norms[chosen[0]].max()) < 0.1 * float(norms[stay].min())
    kept = GrowingReg().select(net_of(model, torch.randn(2, 1, 8, 8)), None, BUDGET).kept
    assert list(kept["0"]) == stay and list(kept["2"]) == [c for c in range(7) if c not in chosen[2]]


def test_a_resumed_training_goes_on_with_the_same_filters(made_up, machine):
    states, whole, part = [], fresh(), fresh()
    train_(whole, RECIPE, made_up, SEEDS, machine, GrowingPenalty(BUDGET, 0.25, 0.75, 1.0), checkpoints=Checkpoints(lambda e, take: states.append(take())),
           net=live(whole))
    for state in states[1:3]:
        part = fresh()
        train_(part, RECIPE, made_up, SEEDS, machine, GrowingPenalty(BUDGET, 0.25, 0.75, 1.0), checkpoints=Checkpoints(resume=copy.deepcopy(state)), net=live(part))
        assert all(torch.equal(p, q) for p, q in zip(part.parameters(), whole.parameters(), strict=True))


@pytest.mark.parametrize("name", ["vgg-digits", "resnet-digits"])
def test_through_prune(prune_digits, name):
    pruned = prune_digits(name, GrowingReg(), 0.5)
    assert pruned.report["equivalence"] < 1e-5 and len(pruned.selection.kept) == 6


def test_budget_and_schedule_are_the_trainings_identity():
    keys = {str(identified(GrowingReg(**more).training(Budget(ratio=r))).identity) for more, r in
            (({}, 0.5), ({}, 0.3), ({"start": 0.4}, 0.5), ({"full": 0.8}, 0.5), ({"ceiling": 2.0}, 0.5))}
    assert len(keys) == 5


@pytest.mark.parametrize("wrong", [{"start": 0.8}, {"start": -0.1}, {"full": 1.5}, {"full": 0.5}, {"ceiling": 0.0}, {"ceiling": float("nan")}])
def test_settings_are_checked(wrong):
    with pytest.raises(BenchError, match="growing-reg"):
        GrowingReg(**wrong)


def test_a_plain_model_does_not_say_how_long_it_trains():
    with pytest.raises(BenchError, match="how long"):
        GrowingReg().training(BUDGET).start(fresh())
