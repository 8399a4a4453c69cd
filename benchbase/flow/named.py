"""One stage of a suite by its key, run by itself: what a scheduler's task does."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchbase.errors import BenchError
from benchbase.flow.do import Event, Running
from benchbase.flow.levels import Named, names_in
from benchbase.flow.run import Bench, open_suite, teller
from benchbase.flow.settings import Settings
from benchbase.flow.single import MEASURES, PAUSES, Place, Ran, run_single
from benchbase.flow.team import ALONE, Alone, Team
from benchbase.plugin.manager import Plugins
from benchbase.values.spec import Suite

WHOLE = 64  # characters of a whole key
NOT_ALONE = ("executor", "address", "jobs", "limits", "rerun")  # settings that say nothing of a stage that runs here, alone


@dataclass(frozen=True)
class Came:
    """What came of a stage. events: of it and of what was measured of it.  error: why there is none.  reached: False where its cell does not come
    to it.  before: what failed before it, "" where its cell does without."""

    named: Named
    events: tuple[Event, ...] = ()
    error: BenchError | None = None
    reached: bool = True
    before: str = ""

    @property
    def exit_code(self) -> int:
        """1 where it, or what it stands on, failed; what is not applicable has not failed."""
        return int(bool(self.before) or (self.error is not None and self.error.kind != "not_applicable"))


def run_named(suite: Suite, settings: Settings, key: str, plugins: Plugins, observe: Callable[[Event], None], watch: Callable[[Running], None],
              team: Team | Alone = ALONE) -> Came:
    """Run the stage whose key begins so, and what is measured of it. What it is made from may have been made on another machine a moment ago, and
    is waited for. Raises BenchError where no stage of the suite has such a key, or several have, and for settings that it cannot heed."""
    check_alone(settings)
    tell = teller(plugins, observe, watch)
    bench = open_suite(suite, settings, plugins, tell, tell, team=team)
    named = stage_named(bench, key)
    plugins.sweep_begins(1)
    cell = bench.cells[named.place.cell]
    for pause in PAUSES:
        time.sleep(pause)
        ran, why = run_single(cell, bench.machine, bench.do, partial(at, named.place))
        if not waits(ran):
            break
    if ran is None:
        return Came(named, reached=False, before=why)
    if ran.error is not None and ran.error.kind == "usage":
        raise ran.error
    return Came(named, ran.events, ran.error)


def check_alone(settings: Settings) -> None:
    """Raises BenchError for settings that say nothing of a stage that runs in this process, alone."""
    plain = Settings(settings.store, settings.data, settings.leaderboard)
    odd = [name for name in NOT_ALONE if getattr(settings, name) not in (getattr(plain, name), *(("failed",) if name == "rerun" else ()))]
    if odd:
        flags = {"limits": "--stage-timeout or --stage-memory", "rerun": "--rerun all"}
        raise BenchError(f"a stage by itself runs in one process, where {flags.get(odd[0], '--' + odd[0])} says nothing", "leave it out")


def at(place: Place, kind: str, label: str, n: int, key: str) -> bool:
    """Whether a stage of the place's cell is the one there."""
    return (kind, label, n) == (place.kind, place.label, place.n)


def waits(ran: Ran | None) -> bool:
    """Whether what a stage is made from is not seen here."""
    return ran is not None and ran.error is not None and ran.error.what.endswith("is made from is not in the store")


def stage_named(bench: Bench, key: str) -> Named:
    """The stage whose key begins so, by its key now or by that before anything has run. Raises BenchError where there is none, or more than one."""
    names, found = names_in(bench.machine, bench.do), dict[str, Named]()
    for number, cell in enumerate(bench.cells):
        for named in names.of(number, cell):
            if named.place.kind not in MEASURES and (named.key.startswith(key) or named.now.startswith(key)):
                found.setdefault(named.key, named)
        if found and len(key) >= WHOLE:
            break
    if len(found) > 1:
        told = ", ".join(f"{named.key[:16]} ({named.place.kind} {named.place.label})" for named in list(found.values())[:3])
        raise BenchError(f"{len(found)} stages have keys that begin with {key!r}", f"give more of it: {told}")
    if not found:
        raise BenchError(f"no stage of these arguments has the key {key[:80]!r}", "`bench plan --json` with the same arguments lists trainings and prunings")
    return next(iter(found.values()))
