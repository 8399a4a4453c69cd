"""Taylor importance: the channels whose removal changes the loss least, to first order (Molchanov et al., CVPR 2019)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from benchbase import Method, Selection, hookimpl

from ._scores import at_least, first_batches, gradients, largest, slices

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Taylor(Method):
    """The squared first-order change of the loss, averaged over mini-batches of training images with their labels.

    of: "gate", a gate of 1 on the channel where it is read, shared by all its readers: (dL/dz)^2 = (sum of g w over their kernels for it)^2.
    Behind a norm and a ReLU this is the paper's best form, the gate after batch norm. "filter", no gate: the sum of (g w)^2 over the
    filters that write it (the paper's "Taylor FO on weights"), or over the kernels that read it of what a gather picks. A group that no
    layer reads is scored by its filters.
    batches: of calibration images. The network is in eval mode. One shot: the paper removes a few channels at a time over the whole
    network and trains on between; here each layer has its width from the budget.
    """

    of: Literal["gate", "filter"] = "gate"
    batches: int = 10

    name: ClassVar[str] = "taylor"
    passes: ClassVar[int] = 3
    paper: ClassVar[str] = "Molchanov, Mallya, Tyree, Frosio, Kautz. Importance Estimation for Neural Network Pruning. CVPR 2019, arXiv:1906.10771"

    def __post_init__(self) -> None:
        at_least(self, batches=1)

    def select(self, net: Any, data: Iterable[tuple[Tensor, Tensor]], budget: Any) -> Selection:
        """The channels of the largest importance, as many as the budget keeps."""
        scores = self.scores(net, first_batches(data, self.batches, self.name))
        return Selection({g.name: largest(scores[g.name], budget.keep(g)) for g in net.groups})

    def scores(self, net: Any, batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Importance by group, (width,) each, in double precision."""
        read, wrote = ({g.name: [use for use, _ in layers(g)] for g in net.groups} for layers in (net.consumers, net.writers))
        first, second = (read, wrote) if self.of == "gate" else (wrote, read)
        uses = {name: found or second[name] for name, found in first.items()}
        names = sorted({use.tensor for found in uses.values() for use in found})
        total: dict[str, Tensor] = {}
        for images, labels in batches:
            slopes = gradients(net.model, names, images, labels)
            for name, found in uses.items():
                terms = [slices(slopes[u.tensor], u) * slices(net.model.get_parameter(u.tensor), u) for u in found]
                gated = self.of == "gate" and bool(read[name])
                score = sum(t.sum(1) for t in terms) ** 2 if gated else sum(t.square().sum(1) for t in terms)
                total[name] = total.get(name, 0) + score / len(batches)
        return total


@hookimpl
def bench_methods() -> list[type]:
    return [Taylor]
