"""Parameters and multiply-adds, from the traced positions of each weight."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from benchbase.values.cost import Cost

if TYPE_CHECKING:
    from benchbase.nets.graph import Trace


def cost(trace: Trace, parameters: Mapping[str, Tensor]) -> Cost:
    """The cost on one example of the traced network with these parameters, by name, which may be the sliced ones.

    A weight's multiply-adds are its entries times the output positions that it is applied at: this holds for groups, depthwise and
    functional convolutions alike. Convolutions and linear layers only; biases, norms and products of activations are left out.
    """
    used = [(parameters[name], positions) for name, positions in trace.positions if name in parameters]
    nonzero = {name: int(p.detach().count_nonzero()) for name, p in parameters.items()}
    return Cost(params=sum(p.numel() for p in parameters.values()), macs=sum(positions * p.numel() for p, positions in used),
                nonzero=sum(nonzero.values()),
                macs_nonzero=sum(positions * nonzero[name] for name, positions in trace.positions if name in nonzero))
