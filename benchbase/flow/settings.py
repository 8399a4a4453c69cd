"""Where and how a sweep runs: no part of any result's identity but the machine."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchbase.flow.limits import Limits
from benchbase.flow.team import Among, among_of


@dataclass(frozen=True)
class Settings:
    """Folders, device and scheduling. device: "auto", "cpu", "cuda" or "cuda:i".  jobs: worker processes.  rerun: "", "failed", "all".
    limits: of a stage; with some, cells run in worker processes.  address: of an executor's cluster.  among: where this
    process stands among those that train together.  cells: numbers of those of the suite to run, in this order; None: all."""

    store: Path
    data: Path
    leaderboard: Path
    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    jobs: int = 1
    executor: str = ""
    rerun: str = ""
    limits: Limits = Limits()
    address: str = ""
    among: Among = Among()
    cells: tuple[int, ...] | None = None


def settings_of(store: str | None = None, data: str | None = None, leaderboard: str | None = None, **rest: object) -> Settings:
    """Settings from flags, then from BENCH_STORE and BENCH_DATA, then from the user's cache folder; from torchrun, who trains together."""
    from platformdirs import user_cache_path

    cache = user_cache_path("benchbase", appauthor=False)
    return Settings(Path(store or os.environ.get("BENCH_STORE") or cache / "store"), Path(data or os.environ.get("BENCH_DATA") or cache / "data"),
                    Path(leaderboard or "leaderboard"), among=among_of(os.environ), **rest)  # type: ignore[arg-type]
