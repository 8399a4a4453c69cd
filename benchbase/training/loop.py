"""The only training loop: dense, fine-tuning, scratch and whatever a method adds by its callback."""
from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbase.errors import BenchError
from benchbase.training.callbacks import Chain, Guarded, KeepMasks
from benchbase.training.captured import captured
from benchbase.training.data import Data
from benchbase.training.evaluation import Evaluation, evaluate, logits_of, recompute_bn_
from benchbase.training.machine import Machine
from benchbase.training.ranks import Agree, Ranks, part_forward_and_backward, ranks_of
from benchbase.training.seeds import Seeds
from benchbase.training.state import State, restore_, state_of
from benchbase.values.recipe import Recipe

__all__ = ["Checkpoints", "Evaluation", "State", "Trained", "evaluate", "recompute_bn_", "train_"]


@dataclass(frozen=True)
class Trained:
    """What a training cost: images seen by this call, seconds of its epochs, and the memory format that was used."""

    images: int
    seconds: float
    memory_format: str


@dataclass(frozen=True)
class Checkpoints:
    """on_epoch(epoch, take): called after each epoch (from 0); take() copies the State, to be written or not.  resume: go on from it.
    on_loss(epoch, loss, rate): called before that, with the mean of the steps' losses and the last learning rate: for whoever watches."""

    on_epoch: Callable[[int, Callable[[], State]], None] | None = None
    resume: State | None = None
    on_loss: Callable[[int, float, float], None] | None = None


def train_(model: nn.Module, recipe: Recipe, data: Data, seeds: Seeds, machine: Machine, callback: Any = None,
           masks: Mapping[str, Tensor] | None = None, checkpoints: Checkpoints | None = None, net: Any = None,
           span: range | None = None) -> Trained:
    """Train `model` in place on the train split, by `recipe`; the same bits for the same arguments on one machine.

    callback: hooks of `benchbase.Callback`.  masks: parameter name -> bool, True stays; the rest is zero and remains so.
    net: what the callback's `start` gets, a `Net` over this model, told the learning rate; the model where it is left out.  span: the epochs of the recipe
    to train, by default all; learning rates and images are those that these epochs have in the whole training.
    The learning rate is set before each step, by the fraction of all images seen. Each epoch seeds its own generators (torch's
    global one too, for dropout; the caller's is put back), so that a training resumed from a State equals one never interrupted.
    Leaves the model on the machine's device, in train mode as it was before. With no epochs only callbacks and masks act.
    Where the machine has several ranks, all of them call this with the same arguments, and end with the same weights.
    Raises BenchError, kind "diverged", naming the epoch where the loss or a weight is not finite.
    """
    checkpoints, span = checkpoints or Checkpoints(), range(recipe.epochs) if span is None else span
    keep, own = KeepMasks(masks) if masks else None, Guarded(callback) if callback is not None else None
    ranks = ranks_of(machine)
    callbacks = Chain(tuple(c for c in (own, keep, Agree(ranks) if ranks.count > 1 else None) if c is not None))
    names, mode, images, first = set(model.state_dict()), model.training, 0, span.start
    started = time.perf_counter()
    with torch.random.fork_rng(devices=gpus(machine)), machine.placed(model) as layout, ExitStack() as within:
        torch.manual_seed(seeds.of("start", 0))
        if own is not None:
            own.start(model if net is None else net)
        if keep is not None:
            keep.start(model)
        loss_of = within.enter_context(passes(model, data.num_classes, recipe.label_smoothing, machine, ranks))
        run = Run(model, sgd(model, recipe), recipe, data, seeds, loss_of, callbacks, layout, ranks)
        if net is not None:
            net.rate = lambda: run.optimiser.param_groups[0]["lr"]
        if checkpoints.resume is not None:
            restore_(checkpoints.resume, model, run.optimiser, callbacks)
            first = checkpoints.resume.epoch
        for epoch in range(first, span.stop):
            seen, loss = run.epoch_(epoch)
            images += seen
            if checkpoints.on_loss is not None:
                checkpoints.on_loss(epoch, loss, run.optimiser.param_groups[0]["lr"])
            if checkpoints.on_epoch is not None:
                checkpoints.on_epoch(epoch, lambda done=epoch + 1: state_of(done, model, run.optimiser, callbacks))  # type: ignore[misc]
        callbacks.finish(model)
        model.zero_grad(set_to_none=True)
        model.train(mode)
    if changed := names ^ set(model.state_dict()):
        raise BenchError(f"{type(callback).__name__} added or took away {sorted(changed)[0]!r}",
                         "let its finish leave a plain model", kind="method_error")
    return Trained(images, time.perf_counter() - started, str(layout).removeprefix("torch.").removesuffix("_format"))


@dataclass(frozen=True)
class Run:
    """One training under way. loss_of(images, labels): the loss of a batch, detached; its gradients are in the model afterwards."""

    model: nn.Module
    optimiser: torch.optim.SGD
    recipe: Recipe
    data: Data
    seeds: Seeds
    loss_of: Callable[[Tensor, Tensor], Tensor]
    callbacks: Chain
    layout: torch.memory_format
    ranks: Ranks = Ranks()

    def epoch_(self, epoch: int) -> tuple[int, float]:
        """One pass over the train split: (images, mean of the steps' losses). The loss is looked at once, at the end: no step waits for it."""
        model, recipe, count = self.model.train(), self.recipe, self.data.count("train")
        torch.manual_seed(self.seeds.of("dropout", epoch) + self.ranks.rank)
        batches = self.data.batches("train", recipe.batch_size, self.seeds.of("order", epoch), augment=True,
                                    augment_seed=self.seeds.of("augmentation", epoch))
        seen, steps, total = 0, 0, torch.zeros((), device=self.data.device)
        for x, y in batches:
            rate = recipe.lr_at((epoch + seen / count) / recipe.epochs)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            total += self.step_(x.contiguous(memory_format=self.layout), y)
            seen, steps = seen + len(y), steps + 1
        if seen != count:
            raise BenchError(f"data set {self.data.name} gave {seen} of its {count} training images",
                             "give every image once an epoch", kind="infra_error")
        self.callbacks.after_epoch(model, epoch)
        loss = total.item() / max(steps, 1)
        if not (math.isfinite(loss) and finite(model)):
            raise BenchError(f"training diverged in epoch {epoch + 1} of {recipe.epochs}: the loss or a weight is not finite",
                             f"lower the learning rate ({recipe.lr:g}), or add warm-up", kind="diverged")
        return seen, loss

    def step_(self, x: Tensor, y: Tensor) -> Tensor:
        """One step on a batch; its loss, detached."""
        loss = self.loss_of(x, y)
        self.callbacks.after_backward(self.model)
        self.optimiser.step()
        self.callbacks.after_step(self.model)
        return loss


@contextmanager
def passes(model: nn.Module, classes: int, smoothing: float, machine: Machine, ranks: Ranks) -> Iterator[Callable[[Tensor, Tensor], Tensor]]:
    """How the loss of a batch is computed, with the gradients: by several ranks, out of a recording, or one operation after another."""
    if ranks.count > 1:
        with ranks.spread(model) as whole:
            yield partial(part_forward_and_backward, whole, classes, smoothing, machine, ranks)
        return
    forward = partial(forward_and_backward, model, classes, smoothing, machine)
    yield captured(forward, model) if machine.records else forward


def forward_and_backward(model: nn.Module, classes: int, smoothing: float, machine: Machine, x: Tensor, y: Tensor) -> Tensor:
    """The loss of a batch, detached. The gradients are its own: older ones are gone."""
    model.zero_grad(set_to_none=True)
    with machine.autocast():
        loss = F.cross_entropy(logits_of(model(x), len(y), classes), y, label_smoothing=smoothing)
    loss.backward()
    return loss.detach()


def sgd(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """The optimiser of `recipe`. With decay_norms=False parameters of one dimension (norms, biases) have no weight decay.

    fused: one kernel for all parameters, the same formula (Sutskever et al. 2013 as in torch).
    """
    weights = [p for p in model.parameters() if p.requires_grad]
    spared = [] if recipe.decay_norms else [p for p in weights if p.ndim <= 1]
    chosen = {id(p) for p in spared}
    groups: list[dict[str, Any]] = [{"params": [p for p in weights if id(p) not in chosen]}, {"params": spared, "weight_decay": 0.0}]
    return torch.optim.SGD([g for g in groups if g["params"]], lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay,
                           nesterov=recipe.nesterov, fused=True)


def finite(model: nn.Module) -> bool:
    """Whether every float parameter and buffer is finite; one synchronisation."""
    sums = [t.detach().sum(dtype=torch.float64) * 0 for t in model.state_dict().values() if t.is_floating_point()]
    return not sums or bool(torch.stack(sums).isfinite().all())


def gpus(machine: Machine) -> list[int]:
    """The GPUs whose generator a training reseeds."""
    if machine.device == "cpu":
        return []
    return [torch.device(machine.device).index or 0]
