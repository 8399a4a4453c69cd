"""What several methods need: the channels of the largest scores. No torch is loaded with it."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def largest(scores: Tensor, count: int) -> tuple[int, ...]:
    """Indices of the `count` largest of `scores` (n,), ascending; of equal ones the later."""
    order = scores.argsort(stable=True).tolist()
    return tuple(sorted(order[len(order) - count:]))


def filter_norms(net: Any, group: Any, p: int) -> Tensor:
    """L1 or L2 norm of the filters that first write the group's channels, (width,), in double precision."""
    filters = net.filters(group).detach().double()
    return filters.abs().sum(1) if p == 1 else filters.square().sum(1).sqrt()
