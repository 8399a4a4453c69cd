"""Checks of what a method does to training: its callback is a value, leaves a plain network, and goes on after an interruption."""
from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import nn

from benchbase.conformance import ground
from benchbase.errors import BenchError
from benchbase.flow.cells import identified
from benchbase.nets.method import Callback
from benchbase.nets.net import Net
from benchbase.nets.verify import before, left
from benchbase.nets.weights import digest_of
from benchbase.training.loop import Checkpoints, State, train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.budget import Budget
from benchbase.values.digest import digest

Pairs = Iterator[tuple[str, str]]
NETWORK = "residual"


def asked(subject: Any) -> Any:
    """The callback for half of everything, a new one at each call; None where training is let be, or the method does not apply."""
    try:
        return subject.method.training(Budget(ratio=0.5))
    except BenchError:
        return None


def a_value(subject: Any) -> Pairs:
    """A frozen dataclass of the base class, equal whenever it is asked for: its fields are what training depends on, and part of keys."""
    callback = asked(subject)
    if callback is None:
        return
    if not isinstance(callback, Callback):
        yield f"training returned {type(callback).__name__}", "return None, or an instance of a subclass of benchbase.Callback"
        return
    if not is_dataclass(callback) or not callback.__dataclass_params__.frozen:
        yield f"{type(callback).__name__} is no frozen dataclass, so that its parameters are in no key", "write @dataclass(frozen=True) above it"
        return
    try:
        if digest(list(identified(callback).identity)) != digest(list(identified(asked(subject)).identity)):
            yield "training gives another callback each time it is asked", "let it depend on the budget and the fields alone"
    except (TypeError, ValueError) as error:
        yield f"the fields of {type(callback).__name__} have no canonical form: {error}", ("use numbers, texts, tuples or the budget; what is no "
                                                                                          "parameter is field(init=False, repr=False, compare=False)")


def plain(subject: Any) -> Pairs:
    """After finish the network is as it was but for its values: no hooks, no parameters more or less, and finite; generators put back."""
    callback = asked(subject)
    if not isinstance(callback, Callback):
        return
    model = ground.network(NETWORK)
    was, kinds = before(model), {n: type(p) for n, p in model.named_parameters()}
    trained(callback, model)
    for _, what, todo in left(was, model, ""):
        yield what.replace("it left", "its callback left"), todo.replace("select returns", "finish returns")
    if {n: type(p) for n, p in model.named_parameters()} != kinds:
        yield "its callback leaves parameters that are none, or are of another kind", "put plain nn.Parameters back in finish"


def resumes(subject: Any) -> Pairs:
    """Interrupted between two epochs and taken up by another process, training ends in the same bits."""
    if not isinstance(asked(subject), Callback):
        return
    states: list[State] = []
    whole, again, rest = (ground.network(NETWORK) for _ in range(3))
    trained(asked(subject), whole, Checkpoints(lambda epoch, take: states.append(take())))
    trained(asked(subject), again)
    if digest_of(whole.state_dict()) != digest_of(again.state_dict()):
        yield "the same training twice gives other weights", "draw from torch's generator, which each epoch seeds, and keep nothing between trainings"
        return
    try:
        plain_state = json.loads(json.dumps(states[0].plain))
    except (TypeError, ValueError) as error:
        yield f"state() holds what no checkpoint can: {error}", "return tensors and plain JSON values in it"
        return
    trained(asked(subject), rest, Checkpoints(resume=State(states[0].epoch, states[0].tensors, plain_state)))
    if digest_of(whole.state_dict()) != digest_of(rest.state_dict()):
        yield "interrupted and taken up again, training ends in other weights", "let state() hold all that the callback has learned, and load() take it back"


def trained(callback: Any, model: nn.Module, checkpoints: Checkpoints | None = None) -> None:
    """Two epochs on the images, as `bench run` does it."""
    data, trace = ground.images()[0], ground.trace(NETWORK)
    net = Net(model, trace, torch.Generator().manual_seed(0), trace.groups, steps=ground.RECIPE.epochs * data.steps(ground.RECIPE.batch_size))
    train_(model, ground.RECIPE, data, Seeds(0, data.fingerprint), Machine(), callback, checkpoints=checkpoints, net=net)


CHECKS = (("callback-value", a_value), ("callback-plain", plain), ("callback-resumes", resumes))
