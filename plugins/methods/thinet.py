"""ThiNet: remove the channels whose absence changes the next layer's output least (Luo, Wu and Lin, ICCV 2017)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import BenchError, Method, Selection, hookimpl

from ._images import first_images
from ._reported import Reported

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ThiNet(Method):
    """Greedy choice on the next layer's input, layer by layer on the pruned prefix, then one least-squares scale a kept channel.

    images: training images to sample from.  positions: output positions sampled on each.  All output channels of the next layer count at
    each position, where the paper draws one at random: the same objective without that noise.  Where several layers read a group, the
    first decides and each is refitted; a group that no convolution or linear layer reads directly keeps its largest filters (L1).
    refit: whether the kept channels get that scale.
    finetune_epochs: epochs of fine-tuning after each group, as in the paper; they count in the ledger.
    """

    images: int = 256
    positions: int = 10
    refit: bool = True
    finetune_epochs: int = 0

    name: ClassVar[str] = "thinet"
    paper: ClassVar[str] = "Luo, Wu, Lin. ThiNet: A Filter Level Pruning Method for Deep Neural Network Compression. ICCV 2017, arXiv:1707.06342"
    reported = Reported("thinet")

    def __post_init__(self) -> None:
        for field, least in (("images", 1), ("positions", 1), ("finetune_epochs", 0)):
            if getattr(self, field) < least:
                raise BenchError(f"thinet[{field}={getattr(self, field)}] makes no sense", f"give {field} of at least {least}")

    @property
    def tunes(self) -> bool:  # type: ignore[override]
        """Whether it trains between layers."""
        return self.finetune_epochs > 0

    def select(self, net: Any, data: Iterable[tuple[Tensor, Tensor]], budget: Any) -> Selection:
        """The channels that stay; the kernels that read them are scaled in `net.model`."""
        pruned = [g for g in net.groups if budget.keep(g) < g.width]
        batches = first_images(data, self.images, self.name)
        kept: dict[str, tuple[int, ...]] = {}
        for groups in [[g] for g in pruned] if self.finetune_epochs else [pruned]:
            for step in net.walk(batches, groups=groups):
                self.prune(step, budget)
                kept[step.group.name] = step.kept
            if self.finetune_epochs:
                net.tune(self.finetune_epochs, dict(kept))
        return Selection(kept)

    def prune(self, step: Any, budget: Any) -> None:
        """Choose at the group's first reader; refit at every one."""
        from ._gram import choose, gram, scales

        keep = budget.keep(step.group)
        if step.use is None:
            size = step.net.filters(step.group).abs().sum(1)
            return step.keep(size.argsort(descending=True, stable=True)[:keep].tolist())
        g = gram(step.patches(step.draw(self.positions)), step.weight, step.use.at, step.groups)
        kept = step.kept or choose(g, keep)
        return step.keep(kept, scale=step.weight.new_tensor(scales(g, kept)) if self.refit else None)


@hookimpl
def bench_methods() -> list[type]:
    return [ThiNet]
