"""How long a plan will take and how much disk, from what its stages took that have run already on this machine."""
from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase.cli.folders import existing

if TYPE_CHECKING:
    from benchbase.flow.plan import Entry, Plan
    from benchbase.flow.store import Done


@dataclass(frozen=True)
class Forecast:
    """seconds, bytes: of what is left to run; None where nothing of that kind has run yet.  free: bytes free on the store's disk."""

    seconds: float | None
    bytes: int | None
    free: int

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def forecast(plan: Plan, root: Path, jobs: int = 1) -> Forecast:
    """A training takes its multiply-adds times what one took in the trainings of this plan that are stored; a pruning and a measurement
    take what they took on average; folders are as large as those stored. Cells side by side share the time evenly, as if processors were free."""
    from benchbase.flow.store import Store

    store, seconds, size = Store(root), 0.0, 0
    known, free = True, shutil.disk_usage(existing(root)).free
    for kind in ("train", "prune", "measure"):
        left = [e for e in plan.entries if e.kind == kind and not e.cached]
        stored = [(e, done) for e in plan.entries if e.kind == kind and e.cached and (done := store.get(e.key))]
        if left and not stored:
            known = False
        elif left:
            seconds += _seconds(left, stored)
            size += len(left) * sum(_bytes(done.folder) for _, done in stored) // len(stored)
    return Forecast(seconds / jobs if known else None, size if known else None, free)


def _seconds(left: Iterable[Entry], stored: list[tuple[Entry, Done]]) -> float:
    left, work = list(left), sum(entry.macs for entry, _ in stored)
    spent = sum(done.seconds for _, done in stored)
    if work:
        return spent * sum(entry.macs for entry in left) / work
    return spent * len(left) / len(stored)


def _bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
