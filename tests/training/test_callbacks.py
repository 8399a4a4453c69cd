from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.method import Callback
from benchbase.training.callbacks import Chain, KeepMasks
from benchbase.training.loop import Checkpoints, train_
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe

SEEDS = Seeds(0, "tiny")


class Push(Callback):
    """Pushes every weight and every gradient: what a penalty or a projection may do."""

    @torch.no_grad()
    def after_backward(self, model):
        for p in model.parameters():
            p.grad.add_(0.1)

    @torch.no_grad()
    def after_step(self, model):
        for p in model.parameters():
            p.add_(0.01)

    @torch.no_grad()
    def after_epoch(self, model, epoch):
        for p in model.parameters():
            p.add_(0.01)

    finish = after_step


def masks_of(model: nn.Module) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {f"{name}.weight": torch.rand(m.weight.shape, generator=generator) > 0.4 for name, m in model.named_modules()
            if isinstance(m, (nn.Conv2d, nn.Linear))}


@pytest.mark.parametrize("callback", [None, Push()])
@pytest.mark.parametrize("nesterov", [False, True])
def test_no_removed_weight_ever_comes_back(tiny, small, machine, callback, nesterov):
    model, kept = small(), []
    masks = masks_of(model)
    recipe = Recipe(epochs=3, batch_size=32, lr=0.05, nesterov=nesterov, weight_decay=0.01)

    class Watch(Callback):
        def after_step(self, model):
            kept.append(model[4].weight.detach().clone())

    steps = Chain((callback or Callback(), KeepMasks(masks), Watch()))
    states = []
    train_(model, recipe, tiny, SEEDS, machine, steps, checkpoints=Checkpoints(lambda epoch, take: states.append(take())))
    gone = ~masks["4.weight"]
    assert len(kept) == 12 and all((w[gone] == 0).all() for w in kept) and (kept[-1][~gone] != 0).all()
    for name, mask in masks.items():
        weight = model.get_parameter(name)
        assert (weight[~mask] == 0).all() and not weight[~mask].signbit().any() and (weight[mask] != 0).all()
        assert all((s.tensors[f"momentum/{name}"][~mask] == 0).all() for s in states)
        assert (states[-1].tensors[f"momentum/{name}"][mask] != 0).any()


def test_masks_are_an_argument_of_training(tiny, small, machine, same):
    one, two = small(), small()
    masks, recipe = masks_of(one), Recipe(epochs=2, batch_size=32, lr=0.05)
    train_(one, recipe, tiny, SEEDS, machine, Push(), masks)
    train_(two, recipe, tiny, SEEDS, machine, Chain((Push(), KeepMasks(masks))))
    assert same(one, two) and all((one.get_parameter(n)[~m] == 0).all() for n, m in masks.items())


def test_removed_infinities_are_zero_too(small):
    model = small()
    masks = masks_of(model)
    with torch.no_grad():
        model[4].weight[~masks["4.weight"]] = torch.inf
    KeepMasks(masks).start(model)
    assert model[4].weight.isfinite().all()


@pytest.mark.parametrize(("masks", "says"), [
    ({"nothing.weight": torch.ones(2, dtype=torch.bool)}, "nothing.weight"),
    ({"1.running_mean": torch.ones(6, dtype=torch.bool)}, "running_mean"),
    ({"0.weight": torch.ones(6, 2, 3, dtype=torch.bool)}, "shape"),
])
def test_masks_of_another_network(tiny, small, machine, masks, says):
    with pytest.raises(BenchError, match=says):
        train_(small(), Recipe(epochs=1), tiny, SEEDS, machine, masks=masks)


def test_a_chain_keeps_each_ones_state():
    class Count(Callback):
        def __init__(self, value):
            self.value = value

        def state(self):
            return {"value": self.value}

        def load(self, state):
            self.value = state["value"]

    chain = Chain((Count(1), Count(2)))
    other = Chain((Count(0), Count(0)))
    other.load(chain.state())
    assert [c.value for c in other.callbacks] == [1, 2]


def test_a_callback_starts_on_what_it_is_shown(tiny, small, machine):
    seen = []

    class Look(Callback):
        def start(self, net):
            seen.append(net)

    model, shown = small(), SimpleNamespace()
    for net in (None, shown):
        train_(model, Recipe(epochs=0), tiny, SEEDS, machine, Look(), masks_of(model), net=net)
    assert seen[0] is model and seen[1] is shown and len(seen) == 2


def test_a_callback_knows_the_learning_rate_of_the_step(tiny, small, machine):
    seen, net, recipe = [], SimpleNamespace(), Recipe(epochs=3, batch_size=64, schedule="onecycle", warmup=0.4)

    class Look(Callback):
        def after_step(self, model):
            seen.append(net.rate())

    train_(small(), recipe, tiny, SEEDS, machine, Look(), net=net)
    assert seen == [recipe.lr_at((epoch + done / 129) / 3) for epoch in range(3) for done in (0, 64)]  # 65 images in the last batch


@pytest.mark.parametrize("batch_size", [1, 32, 64, 100, 128, 129, 500])
def test_steps_are_the_batches_of_an_epoch(tiny, batch_size):
    assert tiny.steps(batch_size) == sum(1 for _ in tiny.batches("train", batch_size, seed=0))
