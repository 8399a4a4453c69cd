"""The only evaluation: exact, whatever the last batch's size, and the only reader of the test split."""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbase.errors import BenchError
from benchbase.training.data import Data
from benchbase.training.machine import Machine

BATCH = 256
TOP5_FROM = 100  # classes from which top-5 accuracy says something


@dataclass(frozen=True)
class Evaluation:
    """top1, top5: percent of the test images (top5 None below 100 classes).  loss: mean cross-entropy.
    correct: one bool a test image, in the data set's order, on the CPU."""

    top1: float
    top5: float | None
    loss: float
    correct: Tensor


@torch.no_grad()
def evaluate(model: nn.Module, data: Data, machine: Machine, batch_size: int = BATCH) -> Evaluation:
    """`model` in eval mode on the whole test split. Counts images, not batches: a perfect classifier scores 100.

    Weights, buffers and modes are afterwards as before. Raises BenchError, kind "diverged", where an output is not finite.
    """
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    correct, fifth, losses = [], [], torch.zeros((), dtype=torch.float64, device=data.device)
    try:
        with torch.random.fork_rng(devices=[]), machine.placed(model) as layout:  # a DataLoader draws from the global generator
            for x, y in data._held_out(batch_size):
                with machine.autocast():
                    logits = logits_of(model(x.contiguous(memory_format=layout)), len(y), data.num_classes).float()
                losses += F.cross_entropy(logits.double(), y, reduction="sum")
                correct.append(logits.argmax(1) == y)
                if data.num_classes >= TOP5_FROM:
                    fifth.append((logits.topk(5).indices == y[:, None]).any(1))
    finally:
        for module, training in modes:
            module.training = training
    loss = losses.item() / data.count("test")
    if not math.isfinite(loss):
        raise BenchError("the network's outputs are not finite", "its weights or batch-norm statistics have overflowed", kind="diverged")
    right = torch.cat(correct).cpu()
    return Evaluation(percent(right), percent(torch.cat(fifth)) if fifth else None, loss, right)


@dataclass(frozen=True)
class Trial:
    """What a metric may look at. dense: the unpruned network, in eval mode on the device of the batches."""

    dense: Any
    data: Data

    def batches(self, batch_size: int = BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """The test split: normalised images and labels, every image once, the last batch short."""
        return self.data._held_out(batch_size)


def percent(correct: Tensor) -> float:
    """Percent of true entries, from the integer count."""
    return 100.0 * int(correct.sum()) / len(correct)


@torch.no_grad()
def recompute_bn_(model: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Replace all batch-norm running statistics by cumulative averages over `batches` of (normalised images, labels) (gate 12).

    Each batch weighs by its number of images. Everything but the norms stays in eval mode; modes and momenta are put back, and weights are
    not touched. A network without such norms is left as it is.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not norms or not batches:
        return
    modes, momenta = [(m, m.training) for m in model.modules()], [m.momentum for m in norms]
    model.eval().to(batches[0][0].device)
    seen = 0
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.train()
        for x, y in batches:
            seen += len(y)
            for norm in norms:
                norm.momentum = len(y) / seen
            model(x)
    finally:
        for module, training in modes:
            module.training = training
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def logits_of(output: Any, images: int, classes: int) -> Tensor:
    """The logits in what a network returned: a tensor, or the first of several outputs (networks with auxiliary heads in train mode,
    whose other outputs take no part in the loss). Raises BenchError unless they are (images, classes)."""
    logits = output[0] if isinstance(output, (tuple, list)) and output else output
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (images, classes):
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(output).__name__
        raise BenchError(f"the network returned {got} for {images} images of {classes} classes", "return logits (images, classes)")
    return logits
