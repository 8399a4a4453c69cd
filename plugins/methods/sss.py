"""Sparse structure selection: factors on residual branches, driven to zero while training (Huang and Wang, ECCV 2018)."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from benchbase import BenchError, Callback, Method, Selection, hookimpl

from ._blocks import Blocks
from ._masks import shares
from ._reported import Reported
from ._scores import at_least

if TYPE_CHECKING:
    from torch import nn

WIDEN = 4.0  # factor of the penalty while only one side of the budget is known
CLOSE = 1.02  # sides nearer to each other than this are not worth a training
TOLERANCE = 0.02  # of the dense network's multiply-adds or parameters


@dataclass(frozen=True)
class SparseBranches(Callback):
    """A factor, at first 1, on each residual branch, with penalty * sum |factor| added to the loss, minimised by accelerated proximal
    gradient at the network's learning rate and without weight decay; in the end the factors are multiplied into the branches' last layers."""

    penalty: float
    momentum: float
    _gates: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def start(self, net: Any) -> None:
        """Put the factors in."""
        from ._gates import Gates

        if not hasattr(net, "blocks"):
            raise BenchError("sss must know the blocks of the network it trains", "train it with `bench run`")
        self._gates[:] = [net, Gates(net.model.get_submodule(block.last) for block in net.blocks)]

    def after_step(self, model: nn.Module) -> None:
        """The network's weights have moved; the factors move too."""
        net, gates = self._gates
        gates.step_(net.rate(), self.penalty, self.momentum)

    def finish(self, model: nn.Module) -> None:
        """Leave a plain network: a factor of zero has left a last layer of zeros."""
        self._gates.pop().close_()
        self._gates.clear()

    def state(self) -> dict[str, Any]:
        """The factors and how they move."""
        gates = self._gates[1]
        return {"factors": gates.factors.detach(), "velocity": gates.velocity}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        gates = self._gates[1]
        gates.factors.data.copy_(state["factors"])
        gates.velocity.copy_(state["velocity"])


@dataclass(frozen=True)
class SSS(Method):
    """Trains with a penalised factor on each residual branch and drops the blocks whose factor is exactly zero: they become their
    shortcut, downsampling included, and the activation after the addition.

    A budget is met by search over the penalty, which starts at `penalty` (gamma of the authors' ResNet-50: 0.01): four times as much while
    too few blocks go, a quarter while too many, then the geometric mean of the nearest on both sides, until the count is met
    (floor(blocks * (1 - ratio)) stay; for macs= and params= within 2 points) or `trials` networks were trained. The nearest is taken, what it
    achieved is reported, and every training counts in the ledger. trials=1: the penalty as given, whatever comes of it.
    A budget that names the blocks (resnet41, resnet32b, resnet26: what the paper published) takes them from the plain base, without a
    training of its own.  momentum: of the factors (equations 11 and 12).
    """

    penalty: float = 0.01
    momentum: float = 0.9
    trials: int = 8  # type: ignore[misc]

    name: ClassVar[str] = "sss"
    granularity: ClassVar[str] = "block"
    target: ClassVar[str] = "automatic"
    scope: ClassVar[str] = "all"
    paper: ClassVar[str] = ("Huang, Wang. Data-Driven Sparse Structure Selection for Deep Neural Networks. ECCV 2018, arXiv:1707.01213, "
                            "equations 10 to 12")
    reported = Reported("sss")

    def __post_init__(self) -> None:
        at_least(self, trials=1)
        if not (math.isfinite(self.penalty) and self.penalty > 0):
            raise BenchError(f"sss[penalty={self.penalty}] makes no sense", "give a penalty above 0, as 0.01")
        if not 0 <= self.momentum < 1:
            raise BenchError(f"sss[momentum={self.momentum}] makes no sense", "give a momentum of at least 0 and below 1, as 0.9")

    def training(self, budget: Any) -> Callback | None:
        """The first penalty; none for blocks that are named."""
        if budget.dropped:
            return None
        shares(budget, self.name)
        return SparseBranches(self.penalty, self.momentum)

    def search(self, budget: Any, tried: Sequence[tuple[SparseBranches, Mapping[str, Any] | None]]) -> Callback | None:
        """The next penalty, or None where the budget is met or no penalty can come nearer."""
        sides = [(callback.penalty, excess(budget, report)) for callback, report in tried]
        if any(over == 0 for _, over in sides):
            return None
        low = max((penalty for penalty, over in sides if over < 0), default=None)
        high = min((penalty for penalty, over in sides if over > 0 and (low is None or penalty > low)), default=None)
        if low is not None and high is not None and high / low < CLOSE:
            return None
        penalty = low * WIDEN if high is None else high / WIDEN if low is None else math.sqrt(low * high)
        return SparseBranches(float(f"{penalty:.6g}"), self.momentum)

    def select(self, net: Any, data: Any, budget: Any) -> Selection:
        """The blocks whose branch ends in zeros, or those that the budget names."""
        if budget.dropped:
            return Selection(dropped=tuple(b.path for b in net.blocks if b.path in budget.dropped))
        shares(budget, self.name)
        gone = tuple(b.path for b in net.blocks if not any(bool(p.any()) for p in net.model.get_submodule(b.last).parameters()))
        if not gone:
            raise BenchError("no residual branch has a factor of zero", "train longer, or with a larger penalty: sss[penalty=...]",
                             kind="not_applicable")
        return Selection(dropped=gone)


def excess(budget: Any, report: Mapping[str, Any] | None) -> float:
    """By how much more than asked was removed, below 0: less; blocks, or shares beyond the tolerance."""
    if report is None:
        return -1
    if budget.ratio is not None:
        return budget.keep(Blocks(report["blocks"]["dense"])) - report["blocks"]["pruned"]
    key, share = ("macs", budget.macs) if budget.macs is not None else ("params", budget.params)
    over = report["achieved"][key] - share
    return 0 if abs(over) <= TOLERANCE else over


@hookimpl
def bench_methods() -> list[type]:
    return [SSS]
