"""The kinds of stage: resolve a budget, train, prune, rewind, measure, gauge by a plugin's metric. Each fills a folder and tells of it.

torch is imported when a stage runs, so that planning from a warm store stays quick.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.cells import DataRef, Identified
from benchbase.flow.do import Stage, as_failure
from benchbase.flow.environment import made_with
from benchbase.flow.store import Done
from benchbase.flow.tools import Tools
from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.cost import TRAIN_FACTOR
from benchbase.values.digest import digest, seed_of
from benchbase.values.recipe import Recipe

WEIGHTS = "weights.safetensors"
MASKS = "masks.safetensors"
CALIBRATION_IMAGES = 512
Made = tuple[str, dict[str, Any]]  # digest of what a stage made, and what it tells of it


@dataclass(frozen=True)
class MaskFile:
    """The masks beside a pruned network, in keys by their digest."""

    path: Path
    identity: str


@dataclass(frozen=True)
class Choice:
    """What a prune stage chose, in the files of its folder; in keys by its digest."""

    folder: Path
    identity: str


def _resolve(tools: Tools, folder: Path, *, architecture: Architecture, method: Identified, budget: Budget, code: str = "") -> Made:
    """What `budget` comes to on the network, before any training: integer widths, the architecture, both costs.

    code: of the model; it is part of the key and nothing else.
    """
    from benchbase.nets.foresee import foresee
    from benchbase.nets.gather import ChannelSelect

    model, trace = tools.traced(architecture)
    seen = foresee(model, method.value, budget, trace)
    gathers = {f"{name}.index" for name, module in model.named_modules() if isinstance(module, ChannelSelect)}
    shapes = seen.shapes
    known = shapes is not None and not gathers & set(shapes) and not seen.budget.reads
    shape = replace(architecture, shapes=shapes or {}, widths=seen.widths, dropped=seen.dropped).to_json() if known else None
    info = {"budget": seen.budget.to_json(), "architecture": shape, "dense": asdict(seen.dense), "pruned": seen.pruned and asdict(seen.pruned),
            "positions": [list(pair) for pair in trace.positions]}
    return digest(info), info


def _train(tools: Tools, folder: Path, *, architecture: Architecture, recipe: Recipe, data: DataRef, machine: Any, seed: int,
           start: Done | None = None, callback: Identified | None = None, masks: MaskFile | None = None, code: str = "",
           since: int = 0, until: int | None = None) -> Made:
    """The one training of everything: dense, fine-tuning and scratch differ in architecture, recipe and start alone.

    Fresh weights come from hash(seed, "init") for the dense network and from hash(seed, "scratch", architecture) for a pruned one:
    a scratch network never draws from the base's stream (gate 11).  code: as in `_resolve`.  since, until: the epochs of the recipe
    that are trained, where not all.  It goes on from the checkpoint that an interrupted run has left, to the same bits.
    """
    from benchbase.flow.checkpoint import Keeper
    from benchbase.nets.computed import forward_macs
    from benchbase.nets.folder import save_tensors
    from benchbase.training.loop import Checkpoints, train_
    from benchbase.training.seeds import Seeds
    from benchbase.training.state import DAMAGED

    loaded = tools.data(data.dataset)
    machine.prepare()
    kept = tools.tensors(masks.path) if masks else None
    span, steps = range(since, recipe.epochs if until is None else until), recipe.epochs * loaded.steps(recipe.batch_size)
    keeper = Keeper(tools.course, made_with(machine))

    def after(epoch: int, take: Any) -> None:
        keeper.after_epoch(epoch, take)
        tools.course.tick((epoch + 1 - since) / len(span))

    def told(epoch: int, loss: float, rate: float) -> None:
        tools.course.epoch(epoch + 1, recipe.epochs, loss, rate)

    def trained(state: Any) -> tuple[Any, Any, Any]:
        state, (model, guessed) = tools.team.same(state), begun(tools, architecture, seed, start, kept)
        net = callback and live(tools, architecture, model, steps, seed)
        return model, guessed, train_(model, recipe, loaded, Seeds(seed, data.fingerprint), machine, callback=callback and callback.value,
                                      masks=kept, checkpoints=Checkpoints(after, state, told), net=net, span=span)

    with tools.team.called(tools.course), keeper:
        try:
            model, guessed, done = trained(keeper.found())
        except BenchError as error:
            if error.kind != DAMAGED:
                raise
            keeper.set_aside(error.what)
            model, guessed, done = trained(None)
    one = forward_macs(model, tools.example(architecture, 1))
    made = save_tensors(model.state_dict(), folder / WEIGHTS)
    return made, {"epochs": len(span), "images": len(span) * loaded.count("train"), "seconds": round(keeper.seconds + done.seconds, 3),
                  "memory_format": done.memory_format, "guessed": list(guessed),
                  "computed": {"macs": TRAIN_FACTOR * len(span) * loaded.count("train") * one}, **keeper.made}


def begun(tools: Tools, architecture: Architecture, seed: int, start: Done | None, masks: Any) -> tuple[Any, Any]:
    """The network that a training starts with, and the names of weights whose initialiser is not known."""
    if start is not None:
        return tools.load(architecture, start.folder / WEIGHTS), ()
    own = initial(architecture, seed) if architecture.dense else seed_of(seed, "scratch", architecture.digest)
    made: tuple[Any, Any] = tools.fresh(architecture, own, masks)
    return made


def initial(architecture: Architecture, seed: int) -> int:
    """The seed of a base's initial weights."""
    return seed_of(seed, "init", architecture.model)


def live(tools: Tools, architecture: Architecture, model: Any, steps: int, seed: int) -> Any:
    """What a callback sees of a training: a Net over the live model, with all its groups, whatever their scope."""
    import torch

    from benchbase.nets.net import Net

    trace = tools.traced(architecture)[1]
    return Net(model, trace, torch.Generator().manual_seed(seed_of(seed, "callback")), trace.groups, steps=steps)


def _prune(tools: Tools, folder: Path, *, method: Identified, budget: Budget, architecture: Architecture, weights: Done, data: DataRef,
           machine: Any, seed: int, recipe: Recipe | None = None, again: Recipe | None = None) -> Made:
    """The method's choice on the trained network, cut out of it and checked: zeroed and sliced networks agree (gate 13).

    recipe: of fine-tuning, for a method that trains between its choices.  again: of the base, for one that trains from the beginning.
    """
    from benchbase.flow.tuning import Again, Tuner
    from benchbase.nets.folder import fill_folder
    from benchbase.nets.prune import prune_network

    machine.prepare()
    loaded, model = tools.data(data.dataset), tools.load(architecture, weights.folder / WEIGHTS)
    calibration = Calibration(loaded, seed_of(seed, "calibration"))
    anew = None if again is None else Again(again, lambda: tools.fresh(architecture, initial(architecture, seed))[0].state_dict())
    tuner = Tuner(recipe, loaded, seed, data.fingerprint, replace(machine, ranks=1), anew) if recipe or again else None
    pruned = prune_network(model, method.value, budget, calibration, tools.example(architecture), seed_of(seed, "method", method.identity[0]),
                           architecture, tuner, tools.traced(architecture)[1])
    made = fill_folder(pruned, folder)
    return made, {"architecture": pruned.architecture.to_json(), "report": pruned.report,
                  "kept": {k: list(map(int, v)) for k, v in pruned.selection.kept.items()},
                  "left": {k: int(m.sum()) for k, m in pruned.masks.items()}, "images": calibration.images[0],
                  "tuned": tuner.spent if tuner else {"epochs": 0, "images": 0, "macs": 0}, **made_with(machine)}


def _rewind(tools: Tools, folder: Path, *, architecture: Architecture, choice: Choice, seed: int, machine: Any, weights: Done | None = None,
            code: str = "") -> Made:
    """The base's initial weights, or those of an early epoch in `weights`, cut and masked as a prune stage chose: no method is called.

    code: as in `_resolve`.
    """
    from benchbase.nets.cut import cut_as
    from benchbase.nets.folder import read_selection, save_tensors

    model = tools.load(architecture, weights.folder / WEIGHTS) if weights else tools.fresh(architecture, initial(architecture, seed))[0]
    small = cut_as(read_selection(choice.folder), model, tools.traced(architecture)[1], tools.example(architecture))
    return save_tensors(small.state_dict(), folder / WEIGHTS), made_with(machine)


def _measure(tools: Tools, folder: Path, *, architecture: Architecture, weights: Done, data: DataRef, machine: Any,
             recalibrate: bool = False) -> Made:
    """Accuracy and loss on the test split, read once; with `recalibrate`, after batch-norm statistics were recomputed on
    a fixed calibration set of training images, the same for all methods (gate 12)."""
    from benchbase.nets.weights import digest_of
    from benchbase.training.loop import evaluate, recompute_bn_
    from benchbase.values.bits import pack_bits

    loaded = tools.data(data.dataset)
    machine.prepare()
    model = tools.load(architecture, weights.folder / WEIGHTS)
    chosen = loaded.calibration(CALIBRATION_IMAGES, seed_of("recalibration")) if recalibrate else []
    recompute_bn_(model, chosen)
    got = evaluate(model, loaded, machine)
    params = {name: (p.numel(), int(p.count_nonzero())) for name, p in model.named_parameters()}
    info = {"top1": got.top1, "top5": got.top5, "loss": got.loss, "correct": pack_bits(got.correct.tolist()), "images": len(got.correct),
            "params": params, "calibration": digest_of({f"{i}": x for i, (x, _) in enumerate(chosen)}) if chosen else None}
    return digest(info), info


def _gauge(tools: Tools, folder: Path, *, metric: Identified, architecture: Architecture, weights: Done, dense: Architecture, plain: Done,
           data: DataRef, machine: Any) -> Made:
    """What a plugin's metric says of a trained network, beside the unpruned one: a finite number."""
    import torch

    from benchbase.training.evaluation import Trial

    machine.prepare()
    model, base = (tools.load(a, w.folder / WEIGHTS).to(machine.device).eval() for a, w in ((architecture, weights), (dense, plain)))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        loaded = tools.data(data.dataset)
        try:
            value = metric.value.measure(model, Trial(base, loaded))
        except (Exception, SystemExit) as error:
            raise as_failure(error, f"metric {metric.value.name}") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BenchError(f"it measured {value!r}, which is no finite number", "this is an error of the metric: tell its author", "method_error")
    return digest(float(value)), {"value": float(value)}


class Calibration:
    """Batches of the training split for a method: shuffled by the seed, unaugmented, again from the start at each iteration.

    images[0]: how many images were read so far, for the ledger.
    """

    def __init__(self, loaded: Any, seed: int, batch_size: int = 64) -> None:
        self._loaded, self._seed, self._batch_size, self.images = loaded, seed, batch_size, [0]

    def __iter__(self) -> Iterator[Any]:
        for images, labels in self._loaded.batches("train", self._batch_size, seed=self._seed):
            self.images[0] += len(labels)
            yield images, labels


resolve = Stage("resolve", 1, _resolve, cheap=True)
train = Stage("train", 1, _train)
prune = Stage("prune", 1, _prune)
rewind = Stage("rewind", 1, _rewind)
measure = Stage("measure", 1, _measure)
gauge = Stage("gauge", 1, _gauge)
