"""ERK: sparse layers by the Erdos-Renyi-Kernel rule, the largest weights of each (Evci et al., ICML 2020)."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

from benchbase import Method, Selection, hookimpl

from ._masks import shares, top, weights_of

@dataclass(frozen=True)
class Erk(Method):
    """A layer's density is in proportion to (in + out + kernel height + kernel width) / (in x out x height x width), at most 1 (section 3,
    "Sparsity distribution", Erdos-Renyi-Kernel); within it the largest |w| stay.

    Where the proportion asks for more than a layer has, that layer is dense and the others share the rest. int(n x ratio) of the n
    weights go exactly: fractions of weights are given to the layers with the largest remainders. All convolutions, the first as well;
    linear: linear layers too. The paper sets these densities at the start of a sparse training and moves the masks; here they are set
    once, on the trained network: the control of magnitude's distribution over layers. A layer keeps at least one weight.
    """

    linear: bool = False

    name: ClassVar[str] = "erk"
    granularity: ClassVar[str] = "weight"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    keep_at_least: ClassVar[int] = 1
    paper: ClassVar[str] = "Evci, Gale, Menick, Castro, Elsen. Rigging the Lottery: Making All Tickets Winners. ICML 2020, arXiv:1911.11134"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The masks of the largest weights of each layer."""
        shares(budget, self.name)
        weights = weights_of(net, self.linear)
        counts = densities({name: tuple(w.shape) for name, w in weights.items()}, budget.ratio)
        net.rescued.extend(name.removesuffix(".weight") for name, count in counts.items() if count < 1)
        return Selection(masks={name: top(w.abs(), max(counts[name], 1)) for name, w in weights.items()})


def densities(shapes: Mapping[str, Sequence[int]], ratio: float) -> dict[str, int]:
    """Weights that stay of each layer, by the shapes of their tensors: n - int(n x ratio) of all n, in exact arithmetic."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    left = sum(sizes.values()) - int(sum(sizes.values()) * Decimal(str(ratio)))
    share = {name: Fraction(sum(shapes[name])) for name in sizes}  # epsilon times this is density x size: what stays
    dense: set[str] = set()
    while True:
        free = left - sum(sizes[name] for name in dense)
        epsilon = free / sum((share[n] for n in sizes if n not in dense), Fraction(0)) if len(dense) < len(sizes) else Fraction(0)
        over = {n for n in sizes if n not in dense and epsilon * share[n] > sizes[n]}
        if not over:
            break
        dense |= over
    exact = {name: Fraction(sizes[name]) if name in dense else epsilon * share[name] for name in sizes}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[:left - sum(counts.values())]:
        counts[name] += 1
    return counts


@hookimpl
def bench_methods() -> list[type]:
    return [Erk]
