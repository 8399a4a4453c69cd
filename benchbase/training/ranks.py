"""One training by several processes: each takes its part of every batch, and after each step all hold the same weights.

What one process would do with the batch is what all do together: the loss is the mean over the whole batch, gradients are summed by
DistributedDataParallel, and batch norm takes its statistics over the whole batch (Ioffe & Szegedy 2015, as SyncBatchNorm does; that one needs
a GPU). So a recipe means the same for any number of ranks, up to the order of sums; only dropout draws its own numbers in each rank.
"""
from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from benchbase.errors import BenchError
from benchbase.training.evaluation import logits_of
from benchbase.training.machine import Machine


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together, those of torch's default process group. rank: its own number, from 0.  count: how many."""

    rank: int = 0
    count: int = 1

    def part(self, whole: Tensor) -> Tensor:
        """What of a batch is this rank's: every count-th image, none where there are fewer images than ranks."""
        return whole[self.rank::self.count]

    @contextmanager
    def spread(self, model: nn.Module) -> Iterator[nn.Module]:
        """`model` as a module whose backward pass leaves the mean of the ranks' gradients in all of them, and whose batch norms see the whole
        batch. Weights are made those of rank 0 first; afterwards `model` is a plain network again. A parameter that nothing uses has no
        gradient, as in one process."""
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        for norm in norms:
            norm.forward = partial(normalised, norm)  # type: ignore[method-assign]
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*find_unused_parameters")  # that all are used is no fault
                warnings.filterwarnings("ignore", ".*broadcast_buffers")  # its successor is not in every torch that is supported
                yield DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=True)
        finally:
            for norm in norms:
                del norm.forward


def meet(backend: str, **how: Any) -> None:
    """Make torch's default process group, so that `leave` can end it. how: where the processes meet, as `init_process_group` takes it.

    torch.distributed.nn keeps the group that is there when it is imported, as its functions' default, for good. DistributedDataParallel
    imports it; so it is imported while there is none.
    """
    import torch.distributed.nn.functional  # noqa: F401 -- see above

    distributed.init_process_group(backend, **how)


def leave() -> None:
    """End torch's process groups, and their threads with them. A thread of gloo's that lets go of a tensor while the interpreter ends aborts the
    process, which torchrun takes for a failure; so none is left by then, unless the caller holds a group."""
    distributed.destroy_process_group()
    gc.collect()


def ranks_of(machine: Machine) -> Ranks:
    """This process among the machine's ranks. Raises BenchError where they have not met."""
    if machine.ranks == 1:
        return Ranks()
    if not distributed.is_initialized() or distributed.get_world_size() != machine.ranks:
        raise BenchError(f"a training by {machine.ranks} ranks, which have not met", "start them with torchrun", "infra_error")
    return Ranks(distributed.get_rank(), machine.ranks)


def part_forward_and_backward(model: nn.Module, classes: int, smoothing: float, machine: Machine, ranks: Ranks, x: Tensor, y: Tensor) -> Tensor:
    """The loss of a whole batch, detached, the same in all ranks. model: what `Ranks.spread` gives, with this batch's gradients afterwards."""
    model.zero_grad(set_to_none=True)
    images, labels = ranks.part(x), ranks.part(y)
    with machine.autocast():
        logits = logits_of(model(images), len(labels), classes)
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum") / len(y)
    (loss * ranks.count).backward()  # gradients are averaged over ranks, and this loss is to be summed
    return summed(loss)


class Summed(torch.autograd.Function):
    """The sum of a tensor over all ranks. Its gradient is the sum of the ranks' gradients: each rank's loss depends on the sum."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return summed(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return summed(gradient)


def summed(value: Tensor) -> Tensor:
    """The sum of a tensor over all ranks, the same bits in each; no gradient."""
    total = value.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


def normalised(norm: _BatchNorm, x: Tensor) -> Tensor:
    """The forward pass of `norm` with mean and variance over the batches of all ranks, this rank's one (n, channels, ...) being x; n may be 0.

    Two passes, as the variance of values far from 0 needs, in float32 at least. Running statistics are as one process has them.
    """
    if not norm.training and norm.running_mean is not None:
        plain: Tensor = type(norm).forward(norm, x)
        return plain
    norm._check_input_dim(x)
    values = x if x.dtype == torch.float64 else x.float()
    over, view = [d for d in range(x.ndim) if d != 1], [1, -1] + [1] * (x.ndim - 2)
    count = torch.full((1,), x.numel() // x.shape[1], dtype=values.dtype, device=x.device)
    sums = Summed.apply(torch.cat([values.sum(over), count]))
    count, mean = sums[-1].detach(), sums[:-1] / sums[-1].detach()
    centred = values - mean.view(view)
    variance = Summed.apply((centred * centred).sum(over)) / count
    if norm.training and norm.track_running_stats:
        _track_(norm, mean.detach(), variance.detach() * (count / (count - 1)))
    scale = (variance + norm.eps).rsqrt()
    out: Tensor = centred * (scale if norm.weight is None else scale * norm.weight).view(view)
    return (out if norm.bias is None else out + norm.bias.view(view)).to(x.dtype)


@torch.no_grad()
def _track_(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Take a batch's statistics in; with momentum None they are averaged over all batches."""
    assert norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    part = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), part)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), part)


@dataclass(frozen=True)
class Agree:
    """A callback of the core: all ranks hold the same weights after each epoch. A method's callback that acts on what it sees of its own part of
    the batches, or on random numbers of its own, pulls them apart."""

    ranks: Ranks

    def start(self, model: nn.Module) -> None:
        pass

    def after_backward(self, model: nn.Module) -> None:
        pass

    def after_step(self, model: nn.Module) -> None:
        pass

    def after_epoch(self, model: nn.Module, epoch: int) -> None:
        """Raises BenchError, kind "method_error", in all ranks, where a weight or a buffer differs between them."""
        own = torch.stack([t.detach().double().sum() for t in model.state_dict().values()])
        least, most = own.clone(), own.clone()
        distributed.all_reduce(least, distributed.ReduceOp.MIN)
        distributed.all_reduce(most, distributed.ReduceOp.MAX)
        apart = [name for name, same in zip(model.state_dict(), (least == most) | least.isnan(), strict=True) if not same]
        if apart:
            raise BenchError(f"{apart[0]} differs between the {self.ranks.count} ranks of a training after epoch {epoch + 1}: the method's callback "
                             "acts on a rank's part of the batches", "train it in one process", "method_error")

    def finish(self, model: nn.Module) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None:
        pass
