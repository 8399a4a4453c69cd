"""Group norm: a channel is as large as everything that belongs to it, what writes it and what reads it (Fang et al., CVPR 2023)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from benchbase import Method, Selection, hookimpl

from ._scores import largest, slices


@dataclass(frozen=True)
class GroupNorm(Method):
    """A channel's score is the sum, over all parameters that hold it, of |its slice|^p: every producer's filters, the scales of norms
    and every consumer's kernels for it (DepGraph's group importance, section 3.3, p = 2). Biases do not count, as in the authors' code.

    normalise: "none" adds the slices as they are; "mean" first divides each parameter's by their mean over the group, so that a wide or
    large-valued layer weighs no more than another. (A factor common to a group, as in the paper's equation for comparing groups, cannot
    change what stays of it at a given width, and is left out.) No sparse training comes before it: the plain base is pruned.
    """

    p: Literal[1, 2] = 2
    normalise: Literal["none", "mean"] = "none"

    name: ClassVar[str] = "group-norm"
    paper: ClassVar[str] = "Fang, Ma, Song, Mi, Wang. DepGraph: Towards Any Structural Pruning. CVPR 2023, arXiv:2301.12900"

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The channels of the largest group norm, as many as the budget keeps."""
        return Selection({g.name: largest(self.scores(net.model, g), budget.keep(g)) for g in net.groups})

    def scores(self, model: Any, group: Any) -> Any:
        """(width,), in double precision."""
        parameters = dict(model.named_parameters())
        uses = [u for u in group.uses if u.tensor in parameters and u.tensor.rpartition(".")[2] != "bias"]
        parts = [slices(parameters[u.tensor], u).abs().pow(self.p).sum(1) for u in uses]
        if self.normalise == "mean":
            parts = [part / part.mean() if part.mean() > 0 else part for part in parts]
        return sum(parts)


@hookimpl
def bench_methods() -> list[type]:
    return [GroupNorm]
