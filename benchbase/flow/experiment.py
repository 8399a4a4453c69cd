"""One cell, from the dense network to one outcome a protocol. Reads as the paper's protocol; `do` decides what has to run."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from benchbase.flow import stages
from benchbase.flow.cells import Cell, identified
from benchbase.flow.store import Done
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.budget import Budget, budget_of
from benchbase.values.cost import Cost
from benchbase.values.protocol import Protocol
from benchbase.values.recipe import Recipe

TRAIN_FACTOR = 3  # multiply-adds of one training step over those of one forward pass: the backward pass costs two


@dataclass(frozen=True)
class Target:
    """What a budget comes to on the network before training. pruned, architecture: None where the method decides them."""

    budget: Budget
    dense: Cost
    pruned: Cost | None
    architecture: Architecture | None
    positions: dict[str, int]


@dataclass(frozen=True)
class Base:
    """The trained dense networks of a cell: the plain one, control of every row, and the method's own where it has one."""

    plain: Done
    own: Done
    measured: Done
    own_measured: Done | None


@dataclass(frozen=True)
class Outcome:
    """One protocol of a cell, done: what a record is written from."""

    protocol: Protocol
    target: Target
    base: Base
    pruned: Done
    final: Done
    measured: Done
    recipe: Recipe
    recalibrated: Done | None = None


def experiment(cell: Cell, machine: Any, do: Callable[..., Any]) -> Iterator[Outcome]:
    """The outcomes of `cell`, one a protocol, in the order of its protocols."""
    work, data, seed = cell.work, cell.work.data, cell.seed
    run = {"data": data, "machine": machine}
    target = foreseen(do(stages.resolve, cell.label, architecture=work.dense, method=identified(cell.method), budget=cell.budget), cell)
    plain = do(stages.train, "base", architecture=work.dense, recipe=work.recipe, seed=seed, **run)
    callback = cell.method.training(target.budget)
    own = plain if callback is None else do(stages.train, f"base of {cell.method.name}", architecture=work.dense, recipe=work.recipe,
                                            seed=seed, callback=identified(callback), **run)
    measured = do(stages.measure, "base", architecture=work.dense, weights=plain, **run)
    own_measured = None if own is plain else do(stages.measure, "own base", architecture=work.dense, weights=own, **run)
    base = Base(plain, own, measured, own_measured)
    pruned = do(stages.prune, cell.label, method=identified(cell.method), budget=target.budget, architecture=work.dense, weights=own,
                seed=seed, **run)
    for protocol in cell.protocols:
        yield follow(protocol, cell, target, base, pruned, run, do)


def follow(protocol: Protocol, cell: Cell, target: Target, base: Base, pruned: Any, run: dict[str, Any], do: Callable[..., Any]) -> Outcome:
    """One protocol: the start that it names, its recipe, the training, the measurement."""
    label = f"{protocol.name}: {cell.label}"
    architecture = cell.work.dense if protocol.start == "unpruned" else architecture_in(pruned, target)
    recipe = retraining(protocol, cell, target, pruned)
    masks = mask_file(pruned) if protocol.start != "unpruned" else None
    if recipe.epochs == 0:
        final = pruned
    elif protocol.start == "inherited":
        final = do(stages.train, label, architecture=architecture, recipe=recipe, seed=cell.seed, start=pruned, masks=masks, **run)
    else:
        final = do(stages.train, label, architecture=architecture, recipe=recipe, seed=cell.seed, masks=masks, **run)
    measured = do(stages.measure, label, architecture=architecture, weights=final, **run)
    again = do(stages.measure, label, architecture=architecture, weights=final, recalibrate=True, **run) if protocol.recalibrates else None
    return Outcome(protocol, target, base, pruned, final, measured, recipe, again)


def retraining(protocol: Protocol, cell: Cell, target: Target, pruned: Any) -> Recipe:
    """The protocol's recipe on this network; where it charges pruning, with the epochs that pruning's multiply-adds would buy."""
    cost = cost_in(pruned, target)
    recipe = protocol.recipe(cell.work.recipe, cell.work.finetune, target.dense, cost)
    if protocol.charges_pruning:
        spent = pruning_macs(pruned, target)
        epoch = TRAIN_FACTOR * cost.macs_nonzero * cell.work.images
        recipe = replace(recipe, epochs=recipe.epochs + int(spent // epoch))
    return recipe


def foreseen(done: Done, cell: Cell) -> Target:
    """The Target that a resolve stage wrote. An automatic method keeps the budget as it was asked."""
    info = done.info
    pruned, shape = info["pruned"], info["architecture"]
    budget = budget_of(info["budget"], name=cell.budget.label) if shape else cell.budget
    return Target(budget, Cost(**info["dense"]), pruned and Cost(**pruned), shape and architecture_of(shape), info["positions"])


def architecture_in(pruned: Any, target: Target) -> Any:
    """The pruned architecture: as the prune stage wrote it, as foreseen where it has not run, or the stage itself as a stand-in."""
    if isinstance(pruned, Done):
        return architecture_of(pruned.info["architecture"])
    return target.architecture or pruned


def cost_in(pruned: Any, target: Target) -> Cost:
    """The pruned network's cost. Weights that happen to be zero count; masked ones do not (contract: scratch-b of masked networks)."""
    if not isinstance(pruned, Done):
        return target.pruned or target.dense
    report = pruned.info["report"]
    params, macs = report["params"]["pruned"], report["macs"]["pruned"]
    if not pruned.info["architecture"]["masks"]:
        return Cost(params, macs, params, macs)
    return Cost(params, macs, report["nonzero"]["pruned"], report["macs_nonzero"]["pruned"])


def pruning_macs(pruned: Any, target: Target) -> int:
    """Multiply-adds that the prune stage spent on forward passes over calibration images, at the dense network's cost."""
    return pruned.info["images"] * target.dense.macs if isinstance(pruned, Done) else 0


def mask_file(pruned: Any) -> stages.MaskFile | None:
    """The masks of a pruned network, where it has any."""
    if isinstance(pruned, Done) and pruned.info["architecture"]["masks"]:
        return stages.MaskFile(pruned.folder / stages.MASKS, pruned.info["architecture"]["masks"])
    return None
