"""The protocols on one's own network and loaders: no store, no record, the same loop and the same evaluation."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.flow.stages import CALIBRATION_IMAGES, initial
from benchbase.nets.net import private_copy
from benchbase.nets.prune import Pruned
from benchbase.nets.rebuild import rebuild
from benchbase.nets.seeded import seed_
from benchbase.training.evaluation import evaluate, recompute_bn_
from benchbase.training.loaders import Loaders
from benchbase.training.loop import Checkpoints, train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase.values.cost import Cost, pruned_cost
from benchbase.values.digest import seed_of
from benchbase.values.protocol import Protocol
from benchbase.values.recipe import Recipe
from benchbase.values.results import Result, Results

Watch = Callable[[str, float], None]


@dataclass(frozen=True)
class Hand:
    """A pruned network and all that its protocols need. dense: what it was pruned from, trained.  make: a function that makes the dense
    network afresh, None where there is none.  watch: told a protocol with its seed, and the part of its training that is behind."""

    pruned: Pruned
    dense: nn.Module
    data: Loaders
    recipe: Recipe
    finetune: Recipe
    machine: Machine
    make: Callable[[], nn.Module] | None = None
    watch: Watch = lambda what, part: None

    @property
    def costs(self) -> tuple[Cost, Cost]:
        """(dense, pruned)."""
        params, macs = self.pruned.report["params"]["dense"], self.pruned.report["macs"]["dense"]
        return Cost(params, macs, params, macs), pruned_cost(self.pruned.report, bool(self.pruned.masks))


def run_protocols(hand: Hand, protocols: Sequence[Protocol], seeds: Sequence[int]) -> Results:
    """Every protocol with every seed, and the unpruned network first, as it is. Raises BenchError, before anything is trained, for a
    protocol that cannot be run by hand."""
    for protocol in protocols:
        _check(protocol, hand)
    given = evaluate(private_copy(hand.dense), hand.data, hand.machine)  # type: ignore[arg-type]
    rows = [Result("unpruned", "as given", 0, (given.top1,), (given.loss,))]
    for protocol in protocols:
        rows += _rows(protocol, hand, seeds)
    return Results(tuple(rows), *hand.costs)


def _check(protocol: Protocol, hand: Hand) -> None:
    if protocol.start == "rewound":
        raise BenchError(f"{protocol.name} starts with weights that the base had before it was trained",
                         "leave it out, or use `bench run`, which keeps them")
    if protocol.charges_pruning:
        raise BenchError(f"{protocol.name} counts what pruning cost, which nothing here says",
                         "leave it out, or use `bench run`, which keeps a ledger")
    if protocol.start in ("fresh", "unpruned") and hand.make is None:
        raise BenchError(f"{protocol.name} needs fresh weights", "give model=a function that makes the dense network, untrained")


def _rows(protocol: Protocol, hand: Hand, seeds: Sequence[int]) -> list[Result]:
    """The row of a protocol; a second one where batch-norm statistics are recomputed. What no seed changes is measured once."""
    recipe = protocol.recipe(hand.recipe, hand.finetune, *hand.costs)
    started, found, again = time.perf_counter(), [], []
    for seed in seeds if recipe.epochs or protocol.start != "inherited" else seeds[:1]:
        model = _trained(protocol, recipe, hand, seed)
        found.append(evaluate(model, hand.data, hand.machine))  # type: ignore[arg-type]
        if protocol.recalibrates:
            with torch.random.fork_rng(devices=[]):
                seed_(seed_of("recalibration"))
                recompute_bn_(model, hand.data.calibration(CALIBRATION_IMAGES))
            again.append(evaluate(model, hand.data, hand.machine))  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    rows = [(protocol.name, found, seconds), (f"{protocol.name}, BN recomputed", again, 0.0)]
    return [Result(name, protocol.start, recipe.epochs, tuple(e.top1 for e in told), tuple(e.loss for e in told), round(spent, 3))
            for name, told, spent in rows if told]


def _trained(protocol: Protocol, recipe: Recipe, hand: Hand, seed: int) -> nn.Module:
    """A network of its own, from the start that the protocol names."""
    pruned, label = hand.pruned, f"{protocol.name} seed {seed}"
    masks = None if protocol.start == "unpruned" else pruned.masks or None
    if protocol.start == "inherited":
        model = private_copy(pruned.model)
    elif protocol.start == "unpruned":
        whole = replace(pruned.architecture, shapes={}, selects={}, dropped=(), masks="", widths={})
        model = rebuild(whole, initial(whole, seed), None, hand.make).model
    else:
        model = rebuild(pruned.architecture, seed_of(seed, "scratch", pruned.architecture.digest), masks, hand.make).model
    if recipe.epochs:
        after = Checkpoints(lambda epoch, take: hand.watch(label, (epoch + 1) / recipe.epochs))
        train_(model, recipe, hand.data, Seeds(seed, hand.data.name), hand.machine, masks=masks, checkpoints=after)  # type: ignore[arg-type]
    return model
