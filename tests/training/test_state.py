from __future__ import annotations

import json

import torch
from torch import nn

from benchbase.training.state import restore_, state_of


class Holder:
    """A callback with tensors deep inside its state."""

    def __init__(self) -> None:
        self.held = {"a": {"b": [torch.ones(2), 3]}, "name": "x", "flag": True, "none": None}

    def state(self):
        return self.held

    def load(self, state):
        self.held = state


def test_there_and_back():
    model, holder = nn.Linear(3, 2), Holder()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(4, 3)).sum().backward()
    optimiser.step()
    state = state_of(5, model, optimiser, holder)
    assert set(state.tensors) == {"model/weight", "model/bias", "momentum/weight", "momentum/bias", "callback/a/b/0"}
    other, empty = nn.Linear(3, 2), Holder()
    empty.held = {}
    fresh = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    restore_(type(state)(5, state.tensors, json.loads(json.dumps(state.plain))), other, fresh, empty)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(fresh.state[other.weight]["momentum_buffer"], optimiser.state[model.weight]["momentum_buffer"])
    assert torch.equal(empty.held["a"]["b"][0], torch.ones(2)) and empty.held["a"]["b"][1] == 3 and empty.held["none"] is None


def test_a_state_is_a_copy():
    model = nn.Linear(3, 2)
    state = state_of(0, model, torch.optim.SGD(model.parameters()), Holder())
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.zero_()
    assert torch.equal(state.tensors["model/weight"], before)
