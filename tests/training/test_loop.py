from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.method import Callback
from benchbase.training.augment import crop_flip
from benchbase.training.data import load
from benchbase.training.loop import Checkpoints, evaluate, sgd, train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.training.state import State
from benchbase.values.digest import seed_of
from benchbase.values.recipe import Recipe

RECIPE = Recipe(epochs=4, batch_size=32, lr=0.05)
SEEDS = Seeds(1, "tiny")


def by_hand(model, images, labels, mean, std, recipe, seed=1, name="tiny"):
    """The training of `train_` written out with torch alone; each epoch's mean loss. The batch size divides the number of images."""
    fast, spared = [p for p in model.parameters() if p.ndim > 1], [p for p in model.parameters() if p.ndim <= 1]
    decay = recipe.weight_decay if recipe.decay_norms else 0.0
    optimiser = torch.optim.SGD([{"params": fast}, {"params": spared, "weight_decay": decay}], lr=1, momentum=recipe.momentum,
                                weight_decay=recipe.weight_decay, nesterov=recipe.nesterov)
    steps, step, losses = len(labels) // recipe.batch_size, 0, []
    mean, std = torch.tensor(mean).view(1, -1, 1, 1), torch.tensor(std).view(1, -1, 1, 1)
    model.train()
    for epoch in range(recipe.epochs):
        torch.manual_seed(seed_of(seed, "dropout", name, epoch))
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed_of(seed, "order", name, epoch)))
        chance = torch.Generator().manual_seed(seed_of(seed, "augmentation", name, epoch))
        for index in order.view(steps, -1):
            x = (crop_flip(images[index], chance).float() / 255 - mean) / std
            for group in optimiser.param_groups:
                group["lr"] = recipe.lr_at(step / (steps * recipe.epochs))
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(x), labels[index], label_smoothing=recipe.label_smoothing)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            step += 1
    return [sum(losses[i:i + steps]) / steps for i in range(0, len(losses), steps)]


@pytest.mark.parametrize("recipe", [
    RECIPE,
    replace(RECIPE, nesterov=True, weight_decay=0.05, decay_norms=False, schedule="onecycle", warmup=0.3, label_smoothing=0.1),
    replace(RECIPE, momentum=0.0, schedule="cosine", epochs=2),
])
def test_equals_a_training_written_out(Tiny, small, recipe):
    machine = Machine(memory_format="contiguous")  # dropout draws in memory order
    data = load(Tiny(train=128), Path())
    one, two, told = small(), small(), []
    train_(one, recipe, data, SEEDS, machine, checkpoints=Checkpoints(on_loss=lambda *what: told.append(what)))
    images, labels = Tiny(train=128).load(Path(), "train")
    losses = by_hand(two, images, labels, data.mean, data.std, recipe)
    last = [recipe.lr_at((epoch + 0.75) / recipe.epochs) for epoch in range(recipe.epochs)]  # of four steps an epoch
    assert [epoch for epoch, _, _ in told] == list(range(recipe.epochs)) and [rate for _, _, rate in told] == pytest.approx(last)
    assert [loss for _, loss, _ in told] == pytest.approx(losses, rel=1e-4)
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4, msg=lambda m, name=name: f"{name}: {m}")
    assert (one[0].weight - small()[0].weight).abs().max() > 0.001


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
def test_the_same_seed_gives_the_same_bits(tiny, small, same, layout):
    machine = Machine(memory_format=layout)
    nets = [small() for _ in range(3)]
    done = [train_(net, RECIPE, tiny, Seeds(seed, "tiny"), machine) for net, seed in zip(nets, (1, 1, 2), strict=True)]
    assert same(nets[0], nets[1]) and not same(nets[0], nets[2])
    assert done[0].images == 4 * 129 and done[0].memory_format == layout and nets[0][0].weight.is_contiguous()


def test_a_part_of_the_epochs_is_as_in_the_whole(tiny, small, same, machine):
    """Without momentum, which begins anew, parts one after the other are the whole training bit for bit: learning rates, images, dropout."""
    recipe, whole, parts = replace(RECIPE, momentum=0.0, schedule="onecycle", warmup=0.3), small(), small()
    train_(whole, recipe, tiny, SEEDS, machine)
    seen = [train_(parts, recipe, tiny, SEEDS, machine, span=span).images for span in (range(1), range(1, 3), range(3, 4))]
    assert same(whole, parts) and seen == [129, 258, 129]
    begun = small()
    assert train_(begun, recipe, tiny, SEEDS, machine, span=range(0)).images == 0 and same(begun, small())


def test_the_callers_random_numbers_play_no_part_and_are_not_touched(tiny, small, same, machine):
    nets = [small(), small()]
    torch.manual_seed(5)
    train_(nets[0], RECIPE, tiny, SEEDS, machine)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), after)
    train_(nets[1], RECIPE, tiny, SEEDS, machine)
    assert same(*nets)


def test_a_stream_trains_as_memory_does(tiny, streamed, small, machine):
    """Another order (DataLoader's own), the same task: both learn it."""
    for data in (tiny, streamed):
        model = small()
        done = train_(model, replace(RECIPE, epochs=25), data, SEEDS, machine)
        assert done.images == 25 * 129 and evaluate(model, data, machine).top1 > 75


@dataclass(frozen=True)
class Drift(Callback):
    """Has a state, draws random numbers, changes gradients and weights."""

    size: float = 1e-3
    memory: dict = field(default_factory=dict)

    def start(self, net):
        self.memory.update(steps=0, velocity=[torch.zeros_like(p) for p in net.parameters()], seen=[])

    def after_backward(self, model):
        for p, v in zip(model.parameters(), self.memory["velocity"], strict=True):
            v.mul_(0.9).add_(p.grad)
            p.grad.add_(v, alpha=self.size).add_(torch.randn_like(p), alpha=self.size)

    def after_step(self, model):
        self.memory["steps"] += 1

    def after_epoch(self, model, epoch):
        self.memory["seen"].append(epoch)

    def state(self):
        return dict(self.memory)

    def load(self, state):
        self.memory.update(state)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_resumed_training_equals_one_never_interrupted(tmp_path, tiny, small, same, layout, masked):
    machine, recipe = Machine(memory_format=layout), replace(RECIPE, schedule="onecycle", warmup=0.25, nesterov=True)
    masks = {"4.weight": torch.rand(8, 6, 3, 3, generator=torch.Generator().manual_seed(0)) > 0.5} if masked else None
    whole, kept = small(), {}

    def keep(epoch, take):
        kept[epoch] = take()

    first = Drift()
    train_(whole, recipe, tiny, SEEDS, machine, first, masks, Checkpoints(keep))
    assert sorted(kept) == [0, 1, 2, 3]
    for epoch in (0, 2):
        state = kept[epoch]
        save_file(state.tensors, tmp_path / "state.safetensors")  # as a checkpoint is written: no pickle
        read = State(state.epoch, load_file(tmp_path / "state.safetensors"), json.loads(json.dumps(state.plain)))
        model, again = small(seed=9), Drift()
        done = train_(model, recipe, tiny, SEEDS, machine, again, masks, Checkpoints(resume=read))
        assert same(model, whole) and done.images == 129 * (3 - epoch)
        assert again.memory["seen"] == [0, 1, 2, 3] and again.memory["steps"] == first.memory["steps"]
        assert all(torch.equal(a, b) for a, b in zip(again.memory["velocity"], first.memory["velocity"], strict=True))


def test_a_checkpoint_of_another_network_is_refused(tiny, small, machine):
    kept = []
    train_(small(), replace(RECIPE, epochs=1), tiny, SEEDS, machine, checkpoints=Checkpoints(lambda epoch, take: kept.append(take())))
    other = nn.Sequential(nn.Flatten(), nn.Linear(72, 4))
    with pytest.raises(BenchError, match="another network"):
        train_(other, RECIPE, tiny, SEEDS, machine, checkpoints=Checkpoints(resume=kept[0]))


def test_hooks_come_in_their_order(tiny, small, machine):
    calls = []

    class Log(Callback):
        def __getattribute__(self, name):
            if name in ("start", "after_backward", "after_step", "after_epoch", "finish"):
                calls.append(name)
            return super().__getattribute__(name)

    train_(small(), replace(RECIPE, epochs=2, batch_size=129), tiny, SEEDS, machine, Log())
    assert calls == ["start", *["after_backward", "after_step", "after_epoch"] * 2, "finish"]


def test_a_callback_must_leave_a_plain_model(tiny, small, machine):
    class Gate(Callback):
        def start(self, net):
            net.gate = nn.Parameter(torch.ones(1))

    with pytest.raises(BenchError, match="gate") as caught:
        train_(small(), replace(RECIPE, epochs=1), tiny, SEEDS, machine, Gate())
    assert caught.value.kind == "method_error"


def test_divergence_ends_the_training_and_names_the_epoch(tiny, small, machine):
    class Break(Callback):
        def after_backward(self, model):
            if self.epoch == 1:
                model[-1].bias.grad[0] = torch.nan

        def after_epoch(self, model, epoch):
            self.epoch = epoch + 1

        epoch = 0

    with pytest.raises(BenchError, match="epoch 2 of 4") as caught:
        train_(small(), RECIPE, tiny, SEEDS, machine, Break())
    assert caught.value.kind == "diverged"


def test_weights_that_overflow_in_the_last_step_are_seen(tiny, small, machine):
    with pytest.raises(BenchError, match="epoch 1 of 1") as caught:
        train_(small(), Recipe(epochs=1, batch_size=129, lr=1e30, weight_decay=1e30), tiny, SEEDS, machine)
    assert caught.value.kind == "diverged"


def test_a_single_image_left_over_is_trained_on(Tiny, machine):
    """One value a channel: batch norm on 1 x 1 maps refuses a batch of one."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.BatchNorm1d(8), nn.Linear(8, 4))
    assert train_(model, replace(RECIPE, epochs=1, batch_size=64), load(Tiny(), Path()), SEEDS, machine).images == 129


def test_no_epochs_change_nothing(tiny, small, same, machine):
    model = small()
    assert train_(model, replace(RECIPE, epochs=0), tiny, SEEDS, machine).images == 0 and same(model, small())


def test_norms_and_biases_are_spared_decay_when_asked(small):
    model = small()
    groups = sgd(model, replace(RECIPE, decay_norms=False)).param_groups
    assert [g["weight_decay"] for g in groups] == [1e-4, 0.0]
    assert {p.ndim for p in groups[0]["params"]} == {2, 4} and {p.ndim for p in groups[1]["params"]} == {1}
    (whole,) = sgd(model, RECIPE).param_groups
    assert len(whole["params"]) == len(list(model.parameters())) and whole["weight_decay"] == 1e-4


def test_frozen_parameters_stay(tiny, small, machine):
    model = small()
    model[0].weight.requires_grad_(False)
    train_(model, replace(RECIPE, epochs=1), tiny, SEEDS, machine)
    assert torch.equal(model[0].weight, small()[0].weight) and not torch.equal(model[4].weight, small()[4].weight)


def test_auxiliary_heads_take_no_part(tiny, machine):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.aux = nn.Linear(72, 4), nn.Linear(72, 4)

        def forward(self, x):
            x = x.flatten(1)
            return (self.head(x), self.aux(x)) if self.training else self.head(x)

    model = Two()
    before = model.aux.weight.detach().clone()
    train_(model, replace(RECIPE, epochs=1), tiny, SEEDS, machine)
    assert torch.equal(model.aux.weight, before) and evaluate(model, tiny, machine).loss > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_gpu(Tiny, small, precision):
    machine = Machine("cuda", precision)
    machine.prepare()
    data, model = load(Tiny(), Path(), "cuda"), small()
    state = torch.cuda.get_rng_state()
    kept = []
    train_(model, replace(RECIPE, epochs=25), data, SEEDS, machine, masks={"4.weight": torch.ones(8, 6, 3, 3, dtype=torch.bool)},
           checkpoints=Checkpoints(lambda epoch, take: kept.append(take())))
    assert evaluate(model, data, machine).top1 > 75 and torch.equal(torch.cuda.get_rng_state(), state)
    again = small(3)
    train_(again, replace(RECIPE, epochs=25), data, SEEDS, machine, checkpoints=Checkpoints(resume=kept[-2]))
    assert evaluate(again, data, machine).top1 > 75
