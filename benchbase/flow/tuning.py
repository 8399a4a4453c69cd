"""Training inside a method: fine-tuning between its choices, with what it has removed so far held at zero."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from benchbase.errors import BenchError
from benchbase.nets.cost import cost
from benchbase.nets.net import Net
from benchbase.nets.solve import size
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.cost import TRAIN_FACTOR
from benchbase.values.digest import seed_of
from benchbase.values.recipe import Recipe


@dataclass(frozen=True)
class Again:
    """How the base was trained. first: gives its initial weights, a state_dict."""

    recipe: Recipe
    first: Callable[[], Mapping[str, torch.Tensor]]


@dataclass(frozen=True)
class Tuner:
    """What `Net.tune` and `Net.restart` call. recipe, again: of the one and the other, None where the method does without.
    spent: epochs, images and multiply-adds of all trainings, as if channels and weights removed so far were gone."""

    recipe: Recipe | None
    data: Any
    seed: int
    fingerprint: str
    machine: Any
    again: Again | None = None
    spent: dict[str, int] = field(default_factory=lambda: {"epochs": 0, "images": 0, "macs": 0, "calls": 0})

    def __call__(self, net: Net, epochs: int | None, kept: Mapping[str, Sequence[int]], masks: Mapping[str, torch.Tensor]) -> None:
        """Fine-tune net.model in place by the recipe over `epochs` epochs, or (None) train it again from the base's initial weights; it
        stays on its device and in its mode."""
        if (self.again if epochs is None else self.recipe) is None:
            what = "restarts" if epochs is None else "tunes"
            raise BenchError(f"the method trains between its choices and does not say so: {what}", f"declare `{what} = True`", kind="method_error")
        again: Any = self.again
        tuned: Any = self.recipe
        if epochs is None:
            net.model.load_state_dict(again.first())
        recipe: Recipe = again.recipe if epochs is None else replace(tuned, epochs=epochs)
        home = next(net.model.parameters()).device
        seeds = Seeds(seed_of(self.seed, "tune", self.spent["calls"]), self.fingerprint)
        held = masks_of(net, kept)
        held |= {name: mask.cpu() & held.get(name, mask.cpu()) for name, mask in masks.items()}
        try:
            done = train_(net.model, recipe, self.data, seeds, self.machine, masks=held)
        finally:
            net.model.to(home)
        if masks:
            macs = cost(net.trace, dict(net.model.named_parameters())).macs_nonzero
        else:
            macs, _ = size(net.trace, net.model, net.groups, {name: len(stay) for name, stay in kept.items()})
        for name, more in (("epochs", recipe.epochs), ("images", done.images), ("macs", TRAIN_FACTOR * done.images * macs), ("calls", 1)):
            self.spent[name] += more


def masks_of(net: Net, kept: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """Parameter -> bool tensor of its shape, False where it belongs to a channel outside `kept` {group: indices}."""
    parameters, masks = dict(net.model.named_parameters()), dict[str, torch.Tensor]()
    for group in net.groups:
        gone = sorted(set(range(group.width)) - set(kept.get(group.name, range(group.width))))
        for use in group.uses if gone else ():
            if use.tensor in parameters:
                mask = masks.setdefault(use.tensor, torch.ones(parameters[use.tensor].shape, dtype=torch.bool))
                mask.index_fill_(use.dim, torch.as_tensor(use.at[gone].reshape(-1)), False)
    return masks
