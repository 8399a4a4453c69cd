"""HRank: the channels whose feature maps have the lowest rank go (Lin et al., CVPR 2020)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import BenchError, Method, Selection, hookimpl

from ._scores import at_least, first_batches, largest

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class HRank(Method):
    """A channel's score is the mean, over the images of `batches` batches of the training split, of the rank of its feature map as a
    matrix (section 3.2; the paper takes 500 images).

    The map is taken as the authors' code does, behind the activation: the output of the norm over the channel, or of the layer that
    first writes it where there is none, through a ReLU. Ranks are numerical: singular values above max(height, width) x eps x the largest,
    in the precision of the map. Channels of equal rank: the later stays. The paper's own fine-tuning, which trains its low-rank filters
    only, is left to the protocols.
    """

    batches: int = 8

    name: ClassVar[str] = "hrank"
    paper: ClassVar[str] = "Lin, Ji, Wang, Zhang, Zhang, Tian, Shao. HRank: Filter Pruning using High-Rank Feature Map. CVPR 2020, arXiv:2002.10179"

    def __post_init__(self) -> None:
        at_least(self, batches=1)

    def select(self, net: Any, data: Iterable[tuple[Tensor, Tensor]], budget: Any) -> Selection:
        """The channels of the largest mean rank, as many as the budget keeps."""
        scores = self.scores(net, [images for images, _ in first_batches(data, self.batches, self.name)])
        return Selection({g.name: largest(scores[g.name], budget.keep(g)) for g in net.groups})

    def scores(self, net: Any, batches: list[Tensor]) -> dict[str, Tensor]:
        """Mean rank by group, (width,) each, in double precision."""
        import torch

        total: dict[str, Tensor] = {}
        handles = [module.register_forward_hook(_adding(total, group.name, at)) for group in net.groups for module, at in [source(net, group)]]
        try:
            with torch.no_grad():
                for images in batches:
                    net.model(images)
        finally:
            for handle in handles:
                handle.remove()
        return {name: ranks / sum(map(len, batches)) for name, ranks in total.items()}


def source(net: Any, group: Any) -> tuple[nn.Module, Any]:
    """The module whose output is taken for a group, and the group's places (width, entries) in it."""
    norm = net.norm(group)
    if norm is not None:
        paths = {path for path, module in net.model.named_modules() if module is norm}
        return norm, next(use.at for use in group.uses if use.tensor.rpartition(".")[0] in paths)
    use, layer = net.writers(group)[0]
    if not hasattr(layer, "register_forward_hook"):
        raise BenchError(f"hrank takes the output of a module, and {group.name} is a bare parameter", "use a method that reads weights", kind="not_applicable")
    return layer, use.at


def _adding(total: dict[str, Tensor], name: str, at: Any) -> Any:
    def hook(module: Any, inputs: Any, output: Tensor) -> None:
        import torch
        from torch import nn

        maps = output.movedim(-1, 1) if isinstance(module, nn.Linear) else output
        maps = torch.relu(maps.reshape(*maps.shape[:2], -1, maps.shape[-1] if maps.dim() > 2 else 1))
        ranks = torch.linalg.matrix_rank(maps[:, torch.as_tensor(at.reshape(-1), device=maps.device)]).double().sum(0)
        total[name] = total.get(name, 0) + ranks.reshape(len(at), -1).mean(1)

    return hook


@hookimpl
def bench_methods() -> list[type]:
    return [HRank]
