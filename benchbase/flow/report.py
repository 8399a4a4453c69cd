"""What came of the cells of a sweep: where their records are, what failed, what ran."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchbase.flow.do import Event
from benchbase.flow.forecast import Forecast


@dataclass(frozen=True)
class CellReport:
    """What came of one cell. records: where they are.  failures: (cell, kind, what) of each.  lost: where the records of those are.
    whole: False of a cell that was interrupted."""

    label: str
    records: tuple[Path, ...] = ()
    failures: tuple[tuple[str, str, str], ...] = ()
    events: tuple[Event, ...] = ()
    lost: tuple[Path, ...] = ()
    whole: bool = True


@dataclass(frozen=True)
class Sweep:
    """What came of a suite: of its cells, those in `reports`. stopped: what ended it before all were done ("SIGTERM"), "" where nothing did.
    ahead: the forecast that was made before, None where nothing was left to run.  took: seconds of the stages that it was for."""

    reports: tuple[CellReport, ...]
    seconds: float
    cells: int = 0
    stopped: str = ""
    ahead: Forecast | None = None
    took: float = 0.0
    records: tuple[Path, ...] = field(init=False)
    failures: tuple[tuple[str, str, str], ...] = field(init=False)
    lost: tuple[Path, ...] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("records", "failures", "lost"):
            object.__setattr__(self, name, tuple(item for report in self.reports for item in getattr(report, name)))

    @property
    def done(self) -> int:
        """Cells that have been gone through."""
        return sum(report.whole for report in self.reports)

    @property
    def trained(self) -> int:
        """Trainings that ran now, not found in the store."""
        return sum(not event.cached for report in self.reports for event in report.events if event.kind == "train")

    @property
    def asked(self) -> int:
        """Trainings that the cells asked for, with repeats."""
        return sum(event.kind == "train" for report in self.reports for event in report.events)

    @property
    def off(self) -> float | None:
        """How far the forecast was off, of what it took: -0.13 is 13 % too low. None where there was none, or not all of it has run."""
        if self.ahead is None or self.ahead.seconds is None or not self.took or self.exit_code:
            return None
        return self.ahead.seconds / self.took - 1

    @property
    def exit_code(self) -> int:
        """130 where it was stopped, 1 where a cell failed; a cell that is not applicable has not failed."""
        return 130 if self.stopped else int(any(kind != "not_applicable" for _, kind, _ in self.failures))
