"""What a table cost, phase by phase. A run that several rows share counts once."""
from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchbase.board.row import Bag
    from benchbase.values.record_fields import Phase

PHASES = ("pretrain", "prune", "retrain")


@dataclass(frozen=True)
class Spent:
    """One phase of all rows: distinct runs, and the sums over them.  macs: multiply-adds, backward passes included."""

    phase: str
    runs: int
    epochs: float
    images: int
    macs: int
    seconds: float


def spent_on(bags: Iterable[Bag]) -> tuple[Spent, ...]:
    """The sums of pretraining, pruning and retraining, each over distinct runs: bases, choices of channels, final trainings."""
    seen: dict[str, dict[Hashable, Phase]] = {phase: {} for phase in PHASES}
    for i, bag in enumerate(bags):
        for r in bag.records:
            _add(seen["pretrain"], r.digests.base, r.ledger.pretrain)
            _add(seen["prune"], (i, r.seed), r.ledger.prune)
            _add(seen["retrain"], r.digests.final, r.ledger.retrain)
    return tuple(_sum(phase, [p for p in found.values() if p.macs or p.epochs or p.seconds]) for phase, found in seen.items())


def _add(found: dict[Hashable, Phase], key: Hashable, phase: Phase) -> None:
    """Records of one run agree on its cost, or some leave it out: the dearest counts."""
    if key not in found or (phase.macs, phase.epochs, phase.seconds) > (found[key].macs, found[key].epochs, found[key].seconds):
        found[key] = phase


def _sum(phase: str, found: list[Phase]) -> Spent:
    return Spent(phase, len(found), sum(p.epochs for p in found), sum(p.images for p in found), sum(p.macs for p in found),
                 round(sum(sorted(p.seconds for p in found)), 6))
