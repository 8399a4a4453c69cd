"""A sweep: all cells of a suite through an executor, records written as they come, failures kept as facts."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.cells import Cell, cells_of
from benchbase.flow.do import Do, Event, tail
from benchbase.flow.executors import Serial
from benchbase.flow.experiment import experiment
from benchbase.flow.plan import Plan, Planner, plan
from benchbase.flow.rows import failure_of, key_in, record_of
from benchbase.flow.settings import Settings
from benchbase.flow.store import Store
from benchbase.flow.tools import Tools
from benchbase.plugin.manager import Plugins, load_plugins
from benchbase.values.spec import Suite

Observe = Callable[[Event], None]


@dataclass(frozen=True)
class CellReport:
    """What came of one cell. failures: (cell, kind, what) of each; records: where its records are."""

    label: str
    records: tuple[Path, ...] = ()
    failures: tuple[tuple[str, str, str], ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Sweep:
    """What came of a suite."""

    reports: tuple[CellReport, ...]
    seconds: float
    records: tuple[Path, ...] = field(init=False)
    failures: tuple[tuple[str, str, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "records", tuple(path for report in self.reports for path in report.records))
        object.__setattr__(self, "failures", tuple(failure for report in self.reports for failure in report.failures))

    @property
    def trained(self) -> int:
        """Trainings that ran now, not found in the store."""
        return sum(not event.cached for report in self.reports for event in report.events if event.kind == "train")

    @property
    def exit_code(self) -> int:
        """1 where a cell failed; a cell that is not applicable has not failed."""
        return int(any(kind != "not_applicable" for _, kind, _ in self.failures))


@dataclass(frozen=True)
class Bench:
    """A suite opened in this process: its cells, the machine they run on, the store behind them."""

    cells: list[Cell]
    machine: Any
    do: Do
    leaderboard: Path

    def __call__(self, index: int, shared: Mapping[str, list[str]] | None = None) -> CellReport:
        """Run one cell: its report, whatever happens short of a wrong command."""
        cell, events, records = self.cells[index], [], []
        do = Do(self.do.store, self.do.tools, lambda event: (events.append(event), self.do.observe(event)), self.do.rerun, self.do.fresh)
        try:
            for outcome in experiment(cell, self.machine, do):
                records.append(record_of(cell, outcome, self.machine, do.tools, shared or {}, self.leaderboard))
        except BenchError as error:
            if error.kind == "usage":
                raise
            failure_of(cell, error, tail(error.__cause__ or error), self.machine, self.leaderboard)
            return CellReport(cell.label, tuple(records), ((cell.label, error.kind, error.what),), tuple(events))
        return CellReport(cell.label, tuple(records), (), tuple(events))


def open_suite(suite: Suite, settings: Settings, plugins: Plugins | None = None, observe: Observe = lambda event: None) -> Bench:
    """Look every name of the suite up and load its data. Raises BenchError before anything has run."""
    from benchbase.training.machine import machine_of

    plugins = plugins or load_plugins()
    machine = machine_of(settings.device, settings.precision, settings.threads)
    tools = Tools(plugins, machine, settings.data)
    return Bench(cells_of(suite, plugins, tools), machine, Do(Store(settings.store), tools, observe, settings.rerun), settings.leaderboard)


def plan_suite(suite: Suite, settings: Settings, plugins: Plugins | None = None) -> Plan:
    """The plan of a suite."""
    bench = open_suite(suite, settings, plugins)
    return plan(bench.cells, bench.machine, bench.do)


def run_suite(suite: Suite, settings: Settings, plugins: Plugins | None = None, observe: Observe = lambda event: None) -> Sweep:
    """Run what is not in the store, write every record, return what came of it. `observe` sees each stage as it ends."""
    started = time.perf_counter()
    bench = open_suite(suite, settings, plugins, observe)
    shared = who_shares(bench)
    reports: list[CellReport] = []
    executor, make = _executor(settings, bench, shared, suite)
    for index, report in executor.run(make, len(bench.cells), settings.jobs):
        if isinstance(report, BenchError):
            label = bench.cells[index].label
            failure_of(bench.cells[index], report, "", bench.machine, bench.leaderboard)
            report = CellReport(label, (), ((label, report.kind, report.what),))
        if not isinstance(executor, Serial):
            for event in report.events:
                observe(event)
        reports.append(report)
    return Sweep(tuple(reports), time.perf_counter() - started)


def who_shares(bench: Bench) -> dict[str, list[str]]:
    """Record key -> keys of the other records whose final training is the same stage, as far as it is known before running."""
    finals: dict[str, list[str]] = {}
    planner = Planner(bench.do)
    for cell in bench.cells:
        try:
            for outcome in experiment(cell, bench.machine, planner):
                if outcome.protocol.start != "inherited":
                    finals.setdefault(outcome.final.key, []).append(key_in(cell, outcome.protocol))
        except BenchError as error:
            if error.kind == "usage":
                raise
    return {key: sorted(set(keys) - {key}) for keys in finals.values() for key in keys}


def _executor(settings: Settings, bench: Bench, shared: Mapping[str, list[str]], suite: Suite) -> tuple[Any, Callable[[], Any]]:
    """The executor that was asked for, and how a worker of it starts; in this process the suite is open already."""
    executor = bench.do.tools.plugins.executor(settings.executor or ("processes" if settings.jobs > 1 else "serial"))
    if isinstance(executor, Serial):
        return executor, lambda: partial(bench, shared=shared)
    return executor, partial(_open_worker, suite, settings, shared)


def _open_worker(suite: Suite, settings: Settings, shared: Mapping[str, list[str]]) -> Callable[[int], CellReport]:
    return partial(open_suite(suite, settings), shared=shared)
