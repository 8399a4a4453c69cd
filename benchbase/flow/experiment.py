"""One cell, from the dense network to one outcome a protocol. Reads as the paper's protocol; `do` decides what has to run."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow import stages
from benchbase.flow.cells import Cell, identified
from benchbase.flow.do import as_failure
from benchbase.flow.search import UNITS, Trial, asked, nearest, tried
from benchbase.flow.store import Done
from benchbase.values.architecture import Architecture, architecture_of
from benchbase.values.budget import Budget, budget_of
from benchbase.values.cost import TRAIN_FACTOR, Cost, pruned_cost
from benchbase.values.digest import digest
from benchbase.values.protocol import Protocol
from benchbase.values.recipe import Recipe


@dataclass(frozen=True)
class Target:
    """What a budget comes to on the network before training. pruned: None where the method decides it; architecture: also where it
    decides which channels a gather reads.
    positions: (weight, output positions that it is applied at), for counting multiply-adds."""

    budget: Budget
    dense: Cost
    pruned: Cost | None
    architecture: Architecture | None
    positions: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Base:
    """The trained dense networks of a cell: the plain one, control of every row, and the method's own where it has one.
    inputs: of the stage that trained the method's."""

    plain: Done
    own: Done
    measured: Done
    own_measured: Done | None
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """A cell as far as its pruned network: what its protocols start from. pruned: a stand-in where a plan has not run it.
    others: what the method tried besides."""

    cell: Cell
    target: Target
    base: Base
    pruned: Any
    others: tuple[Trial, ...] = ()

    @property
    def cost(self) -> Cost:
        """The pruned network's cost; what is foreseen of it where a plan has not run it."""
        if not isinstance(self.pruned, Done):
            return self.target.pruned or self.target.dense
        return pruned_cost(self.pruned.info["report"], self.masked)

    @property
    def masked(self) -> bool:
        """Whether single weights were pruned."""
        return isinstance(self.pruned, Done) and bool(self.pruned.info["architecture"]["masks"])

    @property
    def ratio(self) -> float:
        """F1/F2: multiply-adds of the dense network over those of the pruned one."""
        return self.target.dense.macs_nonzero / max(self.cost.macs_nonzero, 1)

    @property
    def pruning_macs(self) -> int:
        """Multiply-adds that pruning spent: on calibration images (forward, or backward as well), trainings inside the method,
        and the bases that it tried besides."""
        if not isinstance(self.pruned, Done):
            return 0
        dense = self.target.dense.macs
        chosen: list[Any] = [done.info for done in (self.pruned, *(trial.pruned for trial in self.others)) if done]
        spent: int = sum(info["images"] * self.cell.method.passes * dense + info["tuned"]["macs"] for info in chosen) \
            + sum(TRAIN_FACTOR * trial.own.info["images"] * dense for trial in self.others)
        return spent


@dataclass(frozen=True)
class Outcome:
    """One protocol of a cell, done: what a record is written from. architecture: of the row's network.  gauged: by name, what plugins'
    metrics say of it, or how they failed.  since: the epoch of the recipe that its training began with.  early: the base up to there."""

    protocol: Protocol
    ready: Ready
    architecture: Architecture
    recipe: Recipe
    final: Done
    measured: Done
    recalibrated: Done | None = None
    gauged: Mapping[str, Done | BenchError] = field(default_factory=dict)
    since: int = 0
    early: Done | None = None


@dataclass(frozen=True)
class Failed:
    """One protocol of a cell that failed; the others go on."""

    protocol: Protocol
    error: BenchError


def experiment(cell: Cell, machine: Any, do: Callable[..., Any]) -> Iterator[Outcome | Failed]:
    """The outcomes of `cell`, one a protocol, in the order of its protocols. Raises BenchError where no protocol can be reached."""
    ready = prepared(cell, machine, do)
    run = {"data": cell.work.data, "machine": machine}
    for protocol in cell.protocols:
        try:
            outcome: Outcome | Failed = follow(protocol, ready, run, do)
        except (Exception, SystemExit) as error:
            outcome = Failed(protocol, as_failure(error, f"protocol {protocol.name}"))
            if outcome.error.kind == "usage":
                raise
        yield outcome


def prepared(cell: Cell, machine: Any, do: Callable[..., Any]) -> Ready:
    """A cell as far as its pruned network. Raises BenchError where it does not come to one."""
    work, seed, method = cell.work, cell.seed, identified(cell.method)
    run, code = {"data": work.data, "machine": machine}, work.code or None
    other = prepared(comparable(cell, cell.like), machine, do) if cell.like else None
    budget = left_by(other, cell.budget) if other else cell.budget
    if budget.like is None or other is None:
        target = foreseen(do(stages.resolve, cell.label, architecture=work.dense, method=method, budget=budget, code=code), cell)
    else:
        target = replace(other.target, budget=budget, pruned=None, architecture=None)
    dense = {"architecture": work.dense, "recipe": work.recipe, "seed": seed, "code": code, **run}
    callback = asked(cell, "training", lambda: cell.method.training(target.budget))
    plain = do(stages.train, f"base of {work.label} seed {seed}", **dense)
    waits = other.pruned if other and not isinstance(other.pruned, Done) else None
    trials = tried(cell, target.budget, callback, plain, dense, do, waits)
    best = nearest(trials, cell, target.budget)
    own, pruned = best.own, best.pruned
    measured = do(stages.measure, f"base of {work.label} seed {seed}", architecture=work.dense, weights=plain, **run)
    owned = own is not plain and not cell.method.untrained
    own_measured = do(stages.measure, f"base of {cell.label}", architecture=work.dense, weights=own, **run) if owned else None
    others = tuple(trial for trial in trials if trial is not best)
    return Ready(cell, target, Base(plain, own, measured, own_measured, best.inputs), pruned, others)


def comparable(cell: Cell, other: Cell) -> Cell:
    """The other cell. Raises BenchError, kind "not_applicable", where its method chooses among other things than the cell's does."""
    ours, theirs = (UNITS[c.method.granularity] for c in (cell, other))
    if ours != theirs:
        raise BenchError(f"{other.method.name} chooses {theirs}, {cell.method.name} {ours}: the budget {cell.budget.label} says nothing to it",
                         "take a method that chooses channels, or weights, as that one does", "not_applicable")
    return other


def left_by(other: Ready, asked_for: Budget) -> Budget:
    """What another method has left of each layer, as a budget; the budget as asked for where a plan has not run that method."""
    if not isinstance(other.pruned, Done):
        return asked_for
    info, method = other.pruned.info, other.cell.method
    if method.granularity == "weight":
        return Budget(widths=info["left"], name=asked_for.label)
    if method.granularity == "block":
        blocks = info["report"]["blocks"]
        return Budget(ratio=(blocks["dense"] - blocks["pruned"] - 0.5) / blocks["dense"], name=asked_for.label)  # half a block less: rounded down
    widths = {name: len(kept) for name, kept in info["kept"].items()}
    return Budget(widths=widths, scope=other.cell.budget.scope or method.scope, name=asked_for.label)


def follow(protocol: Protocol, ready: Ready, run: dict[str, Any], do: Callable[..., Any]) -> Outcome:
    """One protocol: the start that it names, its recipe, the training, the measurement."""
    cell, pruned, label = ready.cell, ready.pruned, f"{protocol.name}: {ready.cell.label}"
    dense = protocol.start == "unpruned"
    architecture = cell.work.dense if dense else architecture_in(pruned, ready.target)
    recipe, since = retraining(protocol, ready), protocol.since(cell.work.recipe)
    early = do(stages.train, label, **ready.base.inputs, until=since) if since else None
    start = {"inherited": lambda: pruned, "rewound": lambda: rewound(ready, early, label, do)}.get(protocol.start, lambda: None)()
    if start is pruned and recipe.epochs == 0:
        final = pruned
    else:
        final = do(stages.train, label, architecture=architecture, recipe=recipe, seed=cell.seed, start=start,
                   masks=None if dense else mask_file(pruned), code=cell.work.code or None, since=since or None,
                   after=None if start else unknown_yet(protocol, ready), **run)
    measured = do(stages.measure, label, architecture=architecture, weights=final, **run)
    again = do(stages.measure, f"{label}, BN recomputed", architecture=architecture, weights=final, recalibrate=True, **run) \
        if protocol.recalibrates else None
    metrics = gauged(ready, label, architecture, final, run, do)
    return Outcome(protocol, ready, architecture, recipe, final, measured, again, metrics, since, early)


def rewound(ready: Ready, early: Done | None, label: str, do: Callable[..., Any]) -> Any:
    """The base's initial weights, or those of `early`, with what pruning left: the same choice, none of the weights."""
    inputs = {name: ready.base.inputs[name] for name in ("architecture", "seed", "machine", "code")}
    return do(stages.rewind, label, choice=choice_of(ready.pruned), weights=early, **inputs)


def gauged(ready: Ready, label: str, architecture: Any, final: Any, run: dict[str, Any], do: Callable[..., Any]) -> dict[str, Any]:
    """What each metric says of a final network. One that fails takes nothing else of the row with it."""
    found: dict[str, Any] = {}
    for metric in ready.cell.metrics:
        try:
            found[metric.name] = do(stages.gauge, f"{metric.name}, {label}", metric=identified(metric), architecture=architecture, weights=final,
                                    dense=ready.cell.work.dense, plain=ready.base.plain, **run)
        except (Exception, SystemExit) as error:
            failed = as_failure(error, f"metric {metric.name}")
            if failed.kind == "usage":
                raise
            found[metric.name] = failed
    return found


def retraining(protocol: Protocol, ready: Ready) -> Recipe:
    """The protocol's recipe on this network; where it charges pruning, with the epochs that pruning's multiply-adds would buy."""
    work, cost = ready.cell.work, ready.cost
    try:
        recipe = protocol.recipe(work.recipe, work.finetune, ready.target.dense, cost)
        if not isinstance(recipe, Recipe):
            raise TypeError(f"it gave {type(recipe).__name__}, not a Recipe")
        if protocol.charges_pruning:
            epoch = TRAIN_FACTOR * cost.macs_nonzero * work.images
            untrained = int(work.recipe.epochs * ready.ratio) if ready.cell.method.untrained else 0  # nobody paid for pretraining
            recipe = replace(recipe, epochs=recipe.epochs + ready.pruning_macs // max(epoch, 1) - untrained)
        if (since := protocol.since(work.recipe)) and since >= recipe.epochs:
            raise BenchError(f"rewound to epoch {since} of {recipe.epochs}, nothing is left to train", "train the base for more epochs")
    except BenchError as error:  # more epochs than a recipe may have
        raise BenchError(f"protocol {protocol.name}: {error.what}", error.todo, "not_applicable") from error
    return recipe


def foreseen(done: Done, cell: Cell) -> Target:
    """The Target that a resolve stage wrote."""
    info = done.info
    pruned, shape = info["pruned"], info["architecture"]
    return Target(budget_of(info["budget"], name=cell.budget.label), Cost(**info["dense"]), pruned and Cost(**pruned),
                  shape and architecture_of(shape), tuple((name, count) for name, count in info["positions"]))


def architecture_in(pruned: Any, target: Target) -> Any:
    """The pruned architecture: as the prune stage wrote it, as foreseen where it has not run, or the stage itself as a stand-in."""
    if isinstance(pruned, Done):
        return architecture_of(pruned.info["architecture"])
    return target.architecture or pruned


def choice_of(pruned: Any) -> Any:
    """What a prune stage chose; the stage itself as a stand-in where it has not run."""
    if not isinstance(pruned, Done):
        return pruned
    return stages.Choice(pruned.folder, digest([pruned.info["kept"], architecture_of(pruned.info["architecture"]).digest]))


def mask_file(pruned: Any) -> stages.MaskFile | None:
    """The masks of a pruned network, where it has any."""
    if isinstance(pruned, Done) and pruned.info["architecture"]["masks"]:
        return stages.MaskFile(pruned.folder / stages.MASKS, pruned.info["architecture"]["masks"])
    return None


def unknown_yet(protocol: Protocol, ready: Ready) -> Any:
    """What a plan must wait for to know the recipe of a fresh training; None once it is known. It only enters plans' keys."""
    if isinstance(ready.pruned, Done):
        return None
    return ready.pruned if protocol.charges_pruning or ready.target.pruned is None else None
