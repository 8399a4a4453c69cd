"""A sweep: all cells of a suite through an executor, records written as they come, failures kept as facts."""
from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError, raised
from benchbase.flow.cells import Cell, cells_of
from benchbase.flow.do import Do, Epoch, Event, Running, as_failure
from benchbase.flow.executors import GRACE, Processes, answers, at_fault
from benchbase.flow.experiment import Failed, experiment
from benchbase.flow.facts import facts, place_of
from benchbase.flow.forecast import Forecast, forecast, taken
from benchbase.flow.frontier import Frontier, Room, staged
from benchbase.flow.limits import Limits
from benchbase.flow.order import by_turns
from benchbase.flow.plan import Entry, Plan, Planner, charge, foreseen_outcomes, plan
from benchbase.flow.relay import Sender, relay
from benchbase.flow.report import CellReport, Sweep
from benchbase.flow.rows import failure_of, key_in, record_of
from benchbase.flow.settings import Settings
from benchbase.flow.single import Ran, Step, run_step
from benchbase.flow.store import Store
from benchbase.flow.team import ALONE, Alone, Team
from benchbase.flow.threads import worker_environment
from benchbase.flow.tools import Tools
from benchbase.plugin.manager import Plugins, load_plugins
from benchbase.values.protocol import Protocol
from benchbase.values.spec import Suite

Observe = Callable[[Event], None]
Watch = Callable[[Running], None]
Shared = Mapping[str, list[str]]


@dataclass(frozen=True)
class Bench:
    """A suite opened in this process: its cells, the machine they run on, the store behind them."""

    cells: list[Cell]
    machine: Any
    do: Do
    leaderboard: Path

    def __call__(self, index: int, shared: Shared | None = None) -> CellReport:
        """Run one cell: its report, whatever happens short of a wrong command. KeyboardInterrupt carries the report of what was done."""
        cell, events = self.cells[index], list[Event]()
        records: list[Path] = []
        failed: list[tuple[tuple[str, str, str], Path | None]] = []

        def seen(event: Event) -> None:
            events.append(event)
            self.do.observe(event)
        do = replace(self.do, observe=seen)

        def report(whole: bool = True) -> CellReport:
            told, paths = zip(*failed) if failed else ((), ())
            return CellReport(cell.label, tuple(records), told, tuple(events), tuple(p for p in paths if p), whole)

        try:
            for outcome in experiment(cell, self.machine, do):
                if isinstance(outcome, Failed):
                    failed.append(self.failed(cell, outcome.error, outcome.protocol))
                else:
                    records.append(record_of(cell, outcome, self.machine, shared or {}, self.leaderboard))
                    failed += [((f"metric {name}, {outcome.protocol.name}: {cell.label}", error.kind, error.what), None)
                               for name, error in outcome.gauged.items() if isinstance(error, BenchError)]
        except KeyboardInterrupt as stop:
            raise KeyboardInterrupt(str(stop), report(whole=False)) from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- one failed cell
            failed.append(self.failed(cell, as_failure(error, "experiment")))
        return report()

    def failed(self, cell: Cell, error: BenchError, protocol: Protocol | None = None) -> tuple[tuple[str, str, str], Path]:
        """Write the record of a failure; (cell, kind, what) of it and where it is. Raises what is no failure of the cell: a wrong command or file."""
        if error.kind == "usage":
            raise error
        path = failure_of(cell, error, self.machine, self.leaderboard, protocol)
        return (f"{protocol.name}: {cell.label}" if protocol else cell.label, error.kind, error.what), path


def open_suite(suite: Suite, settings: Settings, plugins: Plugins | None = None, observe: Observe = lambda event: None,
               watch: Callable[[Running | Epoch], None] = lambda running: None, sweep: str = "", team: Team | Alone = ALONE) -> Bench:
    """Look every name of the suite up and load its data. sweep: what this sweep is called in the store; by default a new name.  team: who trains
    with this process.

    Raises BenchError before anything has run.
    """
    plugins = plugins or load_plugins()
    machine = machine_for(settings)
    tools = Tools(plugins, machine, settings.data, team=team)
    do = Do(Store(settings.store), tools, observe, watch, settings.rerun, sweep or uuid.uuid4().hex, settings.limits if sweep else Limits())
    cells = cells_of(suite, plugins, tools)
    return Bench(cells if settings.cells is None else [cells[n] for n in settings.cells], machine, do, settings.leaderboard)


def machine_for(settings: Settings) -> Any:
    """The Machine that settings say: device, precision, threads, and how many train together."""
    from benchbase.training.machine import machine_of

    return settings.among.placed(machine_of(settings.device, settings.precision, settings.threads))


def plan_suite(suite: Suite, settings: Settings, plugins: Plugins | None = None) -> Plan:
    """The plan of a suite."""
    bench = open_suite(suite, settings, plugins)
    return plan(bench.cells, bench.machine, bench.do)


def run_suite(suite: Suite, settings: Settings, plugins: Plugins | None = None, observe: Observe = lambda event: None,
              watch: Watch = lambda running: None, team: Team | Alone = ALONE) -> Sweep:
    """Run what is not in the store, write every record, return what came of it. KeyboardInterrupt ends it early: `Sweep.stopped`.

    observe: sees each stage as it ends, plugins' observers after it.  watch: sees stages as they begin and come further; those in
    workers of an executor out of a plugin only as they end, with their cell.  team: who trains with this process.
    """
    started = time.perf_counter()
    plugins = plugins or load_plugins()
    executor = plugins.executor(settings.executor or ("processes" if settings.jobs > 1 or settings.limits else "serial"))
    if settings.among.count > 1 and (executor.name != "serial" or settings.limits):
        raise BenchError("processes that train together run one stage at a time", "leave --jobs, --executor and limits of stages out")
    if settings.limits:
        settings.limits.check()
        if getattr(executor, "in_process", False):
            raise BenchError(f"the executor {executor.name} runs stages in this process, where they cannot be limited",
                             "leave --stage-timeout and --stage-memory out, or use --executor processes")
    if settings.address and not hasattr(executor, "pool"):
        raise BenchError(f"the executor {executor.name} has no cluster", "leave --address out, or use --executor ray")

    tell = teller(plugins, observe, watch)
    reports: list[CellReport] = []
    bench, stopped = open_suite(suite, settings, plugins, tell, tell, team=team), ""
    if settings.jobs > 1:
        bench, settings = in_turns(bench, settings)
    plugins.sweep_begins(len(bench.cells))
    planner, ahead = Planner(bench.do), None
    try:
        shared = who_shares(bench, planner)
        left = not all(entry.cached for entry in planner.entries.values())
        ahead = foreseen(tuple(planner.entries.values()), bench.machine, settings) if left else None
        for report in _reports(bench, executor, suite, settings, shared, tell, left):
            reports.append(report)
    except KeyboardInterrupt as stop:
        reports += [part for part in stop.args if isinstance(part, CellReport)]
        stopped = next((part for part in stop.args if part and isinstance(part, str)), "Ctrl-C")
    before = {entry.key for entry in planner.entries.values() if entry.cached}
    took = taken((event for report in reports for event in report.events), before, settings.jobs)
    return Sweep(tuple(reports), time.perf_counter() - started, len(bench.cells), stopped, ahead, took)


def in_turns(bench: Bench, settings: Settings) -> tuple[Bench, Settings]:
    """The cells in the order in which several workers get them; the settings say it to those."""
    order, numbers = by_turns(bench.cells), range(len(bench.cells)) if settings.cells is None else settings.cells
    return replace(bench, cells=[bench.cells[n] for n in order]), replace(settings, cells=tuple(numbers[n] for n in order))


def foreseen(entries: Sequence[Entry], machine: Any, settings: Settings) -> Forecast:
    """What the stages of a plan that are left to run will take, after what the store holds. Where none is left, nothing is read."""
    own = {entry.key for entry in entries if entry.cached}
    return forecast(entries, facts(settings.store, own) if len(own) < len(entries) else (), place_of(machine), settings.jobs)


def teller(plugins: Plugins, observe: Observe, watch: Watch) -> Callable[[Event | Running | Epoch], None]:
    """Tells each item to those it is for: the command's own view, and plugins' observers after it."""
    def tell(item: Event | Running | Epoch) -> None:
        if isinstance(item, Running):
            watch(item)
        elif isinstance(item, Epoch):
            plugins.epoch_done(item)
        else:
            observe(item)
            plugins.stage_done(item)
    return tell


def _reports(bench: Bench, executor: Any, suite: Suite, settings: Settings, shared: Shared, tell: Callable[[Event | Running], None],
             left: bool) -> Iterator[CellReport]:
    """Run the cells by the executor; their reports as they end. `tell` hears of every stage.  left: whether any is left to run."""
    if not left:  # nothing is worth starting workers for
        executor = bench.do.tools.plugins.executor("serial")
    if hasattr(executor, "pool"):
        yield from _staged(bench, executor, suite, settings, shared, tell)
        return
    here, live = getattr(executor, "in_process", False), isinstance(executor, Processes)
    with relay(tell) if live else nullcontext() as send:
        make = partial(_here, bench, shared) if here else partial(_open_worker, suite, settings, shared, bench.do.sweep, send)
        for index, report in answers(executor, make, len(bench.cells), settings.jobs, lambda result: isinstance(result, CellReport)):
            if isinstance(report, BenchError):
                report = lost(bench, index, report) if index >= 0 else CellReport("", (), ((f"executor {executor.name}", report.kind, report.what),), whole=False)
            for event in () if here or live else report.events:
                tell(event)
            yield report


def _staged(bench: Bench, executor: Any, suite: Suite, settings: Settings, shared: Shared,
            tell: Callable[[Event | Running], None]) -> Iterator[CellReport]:
    """Run the cells stage by stage in an executor's pool; each is gone through here once all of its stages are there."""
    folders = {name: getattr(settings, name).expanduser().absolute() for name in ("store", "data", "leaderboard")}
    room = Room(settings.threads, int(bench.machine.device != "cpu"), settings.limits.memory, settings.address, settings.jobs, GRACE,
                worker_environment(settings.threads))
    frontier = Frontier(bench.cells, bench.machine, bench.do)
    left = set(range(len(bench.cells)))
    try:
        with executor.pool(partial(_open_steps, suite, replace(settings, **folders), bench.do.sweep), room, tell) as pool:
            for number in staged(frontier, pool, tell):
                report = bench(number, shared)
                left.discard(number)
                yield replace(report, events=tuple(frontier.ran.pop(event.key, event) for event in report.events))
    except (Exception, SystemExit) as error:
        if isinstance(error, BenchError):
            raise
        yield from (lost(bench, number, at_fault(executor, raised(error))) for number in sorted(left))


def lost(bench: Bench, index: int, error: BenchError) -> CellReport:
    """The report of a cell that its executor has lost."""
    told, path = bench.failed(bench.cells[index], error)
    return CellReport(bench.cells[index].label, (), (told,), (), (path,))


def who_shares(bench: Bench, planner: Planner) -> Shared:
    """Record key -> keys of the other records whose final training is the same stage, as far as it is known before running: stages that wait
    for a method's choice have stand-ins, which say nothing of who will share. The planner has then gone through all cells."""
    finals: dict[str, list[str]] = {}
    for cell in bench.cells:
        for outcome in foreseen_outcomes(cell, bench.machine, planner):
            if isinstance(outcome, tuple):
                continue
            charge(planner, outcome)
            if outcome.protocol.start != "inherited" and planner.entries[outcome.final.key].exact:
                finals.setdefault(outcome.final.key, []).append(key_in(cell, outcome.protocol))
    return {key: sorted(set(keys) - {key}) for keys in finals.values() for key in keys if len(keys) > 1}


def _here(bench: Bench, shared: Shared) -> Callable[[int], CellReport]:
    return partial(bench, shared=shared)


def _open_worker(suite: Suite, settings: Settings, shared: Shared, sweep: str, send: Sender | None) -> Callable[[int], CellReport]:
    tell = send or (lambda item: None)
    return partial(open_suite(suite, settings, observe=tell, watch=tell, sweep=sweep), shared=shared)


def _open_steps(suite: Suite, settings: Settings, sweep: str, tell: Callable[[Running | Epoch], None]) -> Callable[[Step], Ran]:
    bench = open_suite(suite, settings, watch=tell, sweep=sweep)
    return lambda step: run_step(step, bench.cells[step.cell], bench.machine, bench.do)
