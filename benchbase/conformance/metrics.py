"""Checks of a metric: a finite number for any trained network, always the same, and the network left as it was."""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from benchbase.conformance import fields, ground
from benchbase.nets import seeded
from benchbase.nets.verify import before, left
from benchbase.nets.weights import digest_of
from benchbase.plugin.manager import Offer
from benchbase.training.evaluation import Trial

Pairs = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Subject:
    """A metric with what its checks share. root: the folder of downloaded data, which no metric reads."""

    offer: Offer
    root: Path

    def measure(self, network: str, model: Any = None) -> Any:
        """What it says of a network beside another of the same form."""
        with torch.no_grad():
            return self.offer.value.measure(model or ground.network(network), Trial(ground.network(network, seed=2), ground.images()[0]))

    @cached_property
    def values(self) -> dict[str, Any]:
        """By network."""
        return {network: self.measure(network) for network in ground.NETWORKS}


def finite(subject: Subject) -> Pairs:
    """An int or a float, finite."""
    for network, value in subject.values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            yield f"it measured {value!r} of the {network} network, which is no finite number", "return float(...) of something finite"
            return


def repeatable(subject: Subject) -> Pairs:
    """The same number for the same network."""
    for network, value in subject.values.items():
        if value == value and (again := subject.measure(network)) != value:
            yield f"it measured {value!r} and then {again!r} of the {network} network", "let it depend on its arguments alone"
            return


def untouched(subject: Subject) -> Pairs:
    """Weights, modes and hooks of the network are as before, and no global generator was drawn from."""
    model = ground.network("residual")
    weights, was = digest_of(model.state_dict()), before(model)
    subject.measure("residual", model)
    drawn = seeded.moved(was.random, seeded.global_state())
    for name, what, todo in left(was, model, drawn):
        yield what, "draw from a torch.Generator of its own" if name == "random-state" else todo.replace("select returns", "measure returns")
    if digest_of(model.state_dict()) != weights:
        yield "it changed the weights of the network", "work on a copy: copy.deepcopy(model)"


CHECKS: tuple[tuple[str, Any], ...] = (
    ("name", lambda s: fields.named(s.offer)), ("docs", lambda s: fields.documented(s.offer)), ("finite-number", finite), ("repeatable", repeatable),
    ("untouched", untouched))
