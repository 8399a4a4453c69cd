"""Recorded passes: what is replayed when, here with a recorder that only calls again; the same trainings on a GPU where there is one."""
from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from benchbase.nets.method import Callback
from benchbase.training.captured import FIRST, Captured, captured, hooked
from benchbase.training.data import load
from benchbase.training.loop import forward_and_backward, train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.recipe import Recipe

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
RECIPE = Recipe(epochs=4, batch_size=24, lr=0.05)


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def passes(model: nn.Module, record) -> tuple[Captured, list[tuple[int, ...]]]:
    """A recorded pass over `model`, and the shapes that went through the pass itself."""
    shapes: list[tuple[int, ...]] = []

    def forward(x, y):
        shapes.append(tuple(x.shape))
        return forward_and_backward(model, 2, 0.0, Machine(), x, y)
    return Captured(forward, model, record, nullcontext), shapes


def test_a_recording_is_made_once_after_the_first_steps_and_sees_each_batch():
    model, made = linear(), []
    captured, _ = passes(model, lambda run: made.append(run) or run)
    for seed in range(FIRST + 4):
        x, y = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed)), torch.arange(5) % 2
        loss = captured(x, y)
        again = linear()
        assert loss == forward_and_backward(again, 2, 0.0, Machine(), x, y) and torch.equal(model.weight.grad, again.weight.grad)
        assert len(made) == (seed >= FIRST)


def test_a_short_batch_goes_through_the_pass_itself_and_leaves_the_recording_whole():
    model, recorded = linear(), torch.full((2, 3), 7.0)

    def record(run):
        model.weight.grad, model.bias.grad = recorded, torch.zeros(2)
        return lambda: torch.tensor(1.0)
    captured, shapes = passes(model, record)
    whole, short = (torch.ones(5, 3), torch.zeros(5).long()), (torch.ones(2, 3), torch.zeros(2).long())
    for _ in range(FIRST + 1):
        captured(*whole)
    assert model.weight.grad is recorded
    captured(*short)
    assert model.weight.grad is not recorded and shapes == [(5, 3)] * FIRST + [(2, 3)]
    assert captured(*whole) == 1 and model.weight.grad is recorded


def test_what_cannot_be_recorded_is_trained_without():
    model, tried = linear(), []

    def record(run):
        tried.append(run)
        raise RuntimeError("operation not permitted when stream is capturing")
    captured, shapes = passes(model, record)
    for _ in range(FIRST + 3):
        captured(torch.ones(5, 3), torch.zeros(5).long())
    assert len(tried) == 1 and len(shapes) == FIRST + 3 and captured.refused


def test_a_network_with_hooks_is_not_recorded():
    model = nn.Sequential(linear())
    assert not hooked(model)
    model[0].register_forward_hook(lambda *given: None)
    assert hooked(model)


class Asking(nn.Module):
    """Asks the GPU for a number in its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(72, 4)

    def forward(self, x):
        return self.inner(x.flatten(1)) * (2.0 if x.abs().sum().item() < 0 else 1.0)


class Sparse(Callback):
    """Adds to gradients, replaces one, and shrinks weights."""

    def after_backward(self, model):
        for parameter in model.parameters():
            parameter.grad.add_(parameter.detach().sign(), alpha=1e-3)
        first = next(model.parameters())
        first.grad = first.grad * 0.5

    def after_step(self, model):
        with torch.no_grad():
            next(model.parameters()).mul_(0.999)


def trained(make, machine, data, callback=None, masks=None):
    model = make()
    machine.prepare()
    train_(model, RECIPE, data, Seeds(0), machine, callback=callback, masks=masks)
    return model.cpu().state_dict()


@gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("what", ["asking", "plain", "callback", "masks", "dropout"])
def test_a_replayed_training_is_the_training(Tiny, small, precision, what):
    machine, data = Machine("cuda", precision, deterministic=True), load(Tiny(), Path(), "cuda")
    make = {"dropout": partial(lambda: nn.Sequential(*small()[:-1], nn.Dropout(0.3), small()[-1])), "asking": Asking}.get(what, small)
    extra = {"callback": {"callback": Sparse()}, "masks": {"masks": {"4.weight": torch.rand(8, 6, 3, 3) < 0.5}}}.get(what, {})
    torch.manual_seed(3)
    state = torch.get_rng_state()
    results = []
    for graphs in (True, False, True):
        torch.set_rng_state(state)
        results.append(trained(make, replace(machine, graphs=graphs), data, **extra))
    for name in results[0]:
        assert torch.equal(results[0][name], results[2][name]), name
        torch.testing.assert_close(results[0][name], results[1][name], rtol=1e-4 if precision == "fp32" else 2e-2, atol=1e-5 if precision == "fp32" else 5e-3)


@gpu
def test_a_recording_that_fails_leaves_dropout_working():
    """Under capture a copy to the CPU raises; the generator of the GPU must not stay behind as one that is recorded."""
    model, x, y = Asking().cuda(), torch.randn(4, 2, 6, 6, device="cuda"), torch.arange(4).cuda()
    recorded = captured(partial(forward_and_backward, model, 4, 0.0, Machine("cuda")), model)
    assert isinstance(recorded, Captured)
    recorded.steps = FIRST  # as if its first steps had not been looked at
    for _ in range(2):
        loss = recorded(x, y)
    assert recorded.refused and loss.isfinite() and torch.dropout(x, 0.5, True).isfinite().all()
