"""What several methods need: channels by score, filters, slices, gradients. No torch is loaded with it."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchbase import BenchError

if TYPE_CHECKING:
    from torch import Tensor, nn


def largest(scores: Tensor, count: int) -> tuple[int, ...]:
    """Indices of the `count` largest of `scores` (n,), ascending; of equal ones the later."""
    order = scores.argsort(stable=True).tolist()
    return tuple(sorted(order[len(order) - count:]))


def filter_norms(net: Any, group: Any, p: int) -> Tensor:
    """L1 or L2 norm of the filters that first write the group's channels, (width,), in double precision."""
    filters = net.filters(group).detach().double()
    return filters.abs().sum(1) if p == 1 else filters.square().sum(1).sqrt()


def distances(filters: Tensor) -> Tensor:
    """Sum of the Euclidean distances of each row of (n, entries) to all others, (n,), in double precision and without the expansion
    |a|^2 + |b|^2 - 2ab, which loses small distances."""
    import torch

    rows = filters.detach().double()
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").sum(1)


def slices(tensor: Tensor, use: Any) -> Tensor:
    """What a parameter (or its gradient) holds for each channel of a use, (width, entries), in double precision."""
    import torch

    at = torch.as_tensor(use.at.reshape(-1), device=tensor.device)
    return tensor.detach().movedim(use.dim, 0)[at].reshape(len(use.at), -1).double()


def gradients(model: nn.Module, names: Iterable[str], images: Tensor, labels: Tensor, batch_statistics: bool = False) -> dict[str, Tensor]:
    """Gradients of the mean cross-entropy of a batch with respect to the named parameters. The model is left as it is: it computes
    with copies of them and of its statistics, in the mode it is in.

    batch_statistics: batch norms normalise by the batch, as in training; nothing else changes its mode.
    """
    import torch
    from torch.func import functional_call
    from torch.nn import functional

    copies = {name: model.get_parameter(name).detach().clone().requires_grad_() for name in names}
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.enable_grad(), normalising(model, batch_statistics):
        loss = functional.cross_entropy(logits(functional_call(model, {**copies, **buffers}, (images,))), labels)
        found = torch.autograd.grad(loss, list(copies.values()), allow_unused=True)
    return {name: torch.zeros_like(copy) if g is None else g for (name, copy), g in zip(copies.items(), found, strict=True)}


@contextmanager
def normalising(model: nn.Module, batch_statistics: bool) -> Iterator[None]:
    """Batch norms in train mode, where asked, and back in their own afterwards."""
    from torch.nn.modules.batchnorm import _BatchNorm

    modes = [(m, m.training) for m in model.modules() if batch_statistics and isinstance(m, _BatchNorm)]
    try:
        for module, _ in modes:
            module.train()
        yield
    finally:
        for module, training in modes:
            module.train(training)


def logits(output: Any) -> Tensor:
    """The first tensor of what a network gives."""
    while isinstance(output, (list, tuple, Mapping)):
        output = next(iter(output.values() if isinstance(output, Mapping) else output))
    return output


def first_batches(data: Iterable[tuple[Tensor, Tensor]], count: int, who: str) -> list[tuple[Tensor, Tensor]]:
    """The first `count` batches of (images, labels), or all there are."""
    batches = list(islice(data, count))
    if not batches:
        raise BenchError(f"{who} reads images and the data have none", "give at least one batch of (images, labels)", kind="not_applicable")
    return batches


def at_least(method: Any, **least: float) -> None:
    """Raise BenchError for a field of a method that lies below what is given for it."""
    for field, bound in least.items():
        if not getattr(method, field) >= bound:
            raise BenchError(f"{method.name}[{field}={getattr(method, field)}] makes no sense", f"give {field} of at least {bound}")
