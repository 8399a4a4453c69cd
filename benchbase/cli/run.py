"""`bench run`: a suite, from whatever the store has to its records and its table."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.folders import check_run_folders
from benchbase.cli.guard import GOES_ON
from benchbase.cli.options import budget_time_option, run_options, settings_from, suite_from
from benchbase.cli.output import count, err, out, print_json, print_rich, seconds_text
from benchbase.cli.progress import progress
from benchbase.cli.signals import limited, parse_duration
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.board.table import Table
    from benchbase.flow.part import Chosen
    from benchbase.flow.report import Sweep
    from benchbase.flow.settings import Settings
    from benchbase.flow.team import Alone, Team
    from benchbase.plugin.manager import Plugins
    from benchbase.values.spec import Suite


@click.command("run")
@click.argument("suite", required=False, metavar="[SUITE.yaml]", shell_complete=complete.suites)
@run_options
@budget_time_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, as `bench plan` does, and do nothing.")
@click.option("--time-limit", metavar="9m", help="Stop after this time (90s, 9m, 1h30m) with exit code 130; the same command goes on from there.")
@click.option("--stage", metavar="KEY", help="Only the stage of the plan whose key begins so, and what is measured of it. No record is written.")
def command(suite: str | None, as_json: bool, quiet: bool, dry_run: bool, time_limit: str | None, budget_time: str | None, stage: str | None,
            **given: Any) -> None | int:
    """Prune networks, train what is left by each protocol, measure it, write a record for each, and print the table.

    What is run is every combination of methods, models, data sets, budgets and seeds: of a suite file (or of a suite that a plugin
    offers, by its name), of the options, or of both, where options replace what the file says. `bench run --method thinet` alone prunes
    vgg-digits, trained on real handwritten digits, by half, with three seeds.

    Finished stages are kept in the store: trainings that cells share run once, and a command given again runs only what is missing. A
    cell that fails is recorded as such, and the others go on.

    Started by torchrun, its processes train each network together, a part of each batch in each (and each on a GPU of its own).

    Records go to LEADERBOARD/v1/records/; `bench leaderboard build` makes tables of all of them.

    \b
    Examples:
      bench run --method thinet
      bench run -m l1-norm -m 'thinet[images=64]' --budget 0.3 --budget 0.5 --seeds 0-4
      bench run --method l1-norm --model resnet56 --dataset cifar10 --budget resnet56-a --protocol scratch-b
      bench run --method l1-norm --model resnet20 --dataset 'imagefolder:DIR[name=mine,size=32]' --epochs 20
      bench run -m ./mine.py:MyMethod --seeds 0
      bench run suite.yaml --jobs 4 --time-limit 9m
      bench run suite.yaml --budget-time 2h
      bench run suite.yaml --rerun failed
      torchrun --nproc-per-node 4 --no-python bench run suite.yaml
    """
    from benchbase.plugin.manager import load_plugins

    plugins = load_plugins()
    if stage and budget_time:
        raise BenchError("--stage names one stage, and --budget-time chooses among cells", "leave one of them out")
    asked, settings = suite_from(suite, plugins, given), settings_from(given)
    if dry_run:
        from benchbase.cli.plan import report as report_plan

        return report_plan(asked, settings, plugins, as_json, budget_time)
    check_run_folders(settings)
    limit = parse_duration(time_limit) if time_limit else None
    with limited(None if settings.among.rank else limit), company(asked, settings, plugins) as team:
        if settings.among.rank:
            return None
        if stage:
            from benchbase.cli.stage import run_stage

            return run_stage(asked, settings, plugins, stage, quiet, as_json, team)
        with progress(quiet) as seen:
            from benchbase.cli.part import part_from, part_text
            from benchbase.flow.run import run_suite

            settings, part = part_from(budget_time, asked, settings, plugins)
            if part and not quiet:
                err(part_text(part))
            sweep = run_suite(asked, settings, plugins, seen.done, seen.running, team)
    report(sweep, settings, plugins, as_json, part)
    return sweep.exit_code


@contextmanager
def company(suite: Suite, settings: Settings, plugins: Plugins) -> Iterator[Team | Alone]:
    """Those who train with this process. Where it is not the first of them, it has taken part in all that the first one trained by then."""
    from benchbase.flow.team import ALONE, joined

    if settings.among.count == 1:
        yield ALONE
        return
    from benchbase.flow.run import machine_for, open_suite
    from benchbase.flow.together import follow

    with joined(settings.among, machine_for(settings).device) as team:
        if settings.among.rank:
            follow(team, lambda sweep: open_suite(suite, settings, plugins, sweep=sweep, team=team))
        yield team


def report(sweep: Sweep, settings: Settings, plugins: Plugins, as_json: bool, part: Chosen | None = None) -> None:
    """What came of a sweep: the tables of its records, what failed, where the records are, what was run."""
    from benchbase.board.table import tables
    from benchbase.values.record import Failure, Record, read

    made = tables([read(path, Record) for path in dict.fromkeys(sweep.records)], [read(path, Failure) for path in dict.fromkeys(sweep.lost)],
                  defaults=defaults(plugins))
    if as_json:
        print_json(document(sweep, made, part))
    else:
        tell(sweep, made, settings, part)
    for broken in plugins.failed_observers:
        err(f"warning: plugin {broken.plugin} ({broken.distribution}) could not follow the run: {broken.error}")
    if sweep.stopped:
        err(f"interrupted ({sweep.stopped}): {sweep.done} of {count(sweep.cells, 'cell')} done")
        err(GOES_ON)
    elif sweep.exit_code:
        err("cells failed; what is done stays done")
        err("mend what is wrong and give the same command again, with --rerun failed")


def tell(sweep: Sweep, made: list[Table], settings: Settings, part: Chosen | None = None) -> None:
    """The tables, the failures and the summary, for people."""
    if made:
        from benchbase.board.text import render

        print_rich(render(made))
        out()
    for cell, kind, what in sweep.failures:
        out(f"not applicable: {cell}: {what}" if kind == "not_applicable" else f"failed ({kind}): {cell}: {what}")
    if part:
        from benchbase.cli.part import part_text

        out(part_text(part))
    out(summary(sweep, settings))


def summary(sweep: Sweep, settings: Settings) -> str:
    """One line: records, trainings, time."""
    where = settings.leaderboard / "v1" / "records"
    return f"{count(len(set(sweep.records)), 'record')} in {where}; {count(sweep.trained, 'training')} run, " \
        f"{sweep.asked - sweep.trained:,} from the store; {seconds_text(sweep.seconds)}{forecast_text(sweep)}"


def forecast_text(sweep: Sweep) -> str:
    """How far the forecast was off, as the end of a line; nothing where there was none. What its stages took leaves out what they waited."""
    if sweep.off is None or sweep.ahead is None or sweep.ahead.seconds is None:
        return ""
    return f"; forecast {seconds_text(sweep.ahead.seconds)}, took {seconds_text(sweep.took)} ({100 * sweep.off:+.0f} %)"


def defaults(plugins: Plugins) -> dict[str, dict[str, Any]]:
    """Method -> the defaults of its parameters, which labels in tables leave out."""
    from benchbase.plugin.names import params_of

    return {offer.name: params_of(offer.value) for offer in plugins.offers("methods")}


def document(sweep: Sweep, made: list[Table], part: Chosen | None = None) -> dict[str, Any]:
    """The document of `bench run --json`."""
    from benchbase.board.document import to_json
    from benchbase.cli.part import part_json

    off = None if sweep.off is None or sweep.ahead is None else {"seconds": sweep.ahead.seconds, "took": round(sweep.took, 3), "error": round(sweep.off, 4)}
    return {"records": [str(path) for path in dict.fromkeys(sweep.records)],
            "failures": [{"cell": cell, "kind": kind, "what": what} for cell, kind, what in sweep.failures],
            "table": to_json(made)["tables"], "trained": sweep.trained, "cached": sweep.asked - sweep.trained, "seconds": round(sweep.seconds, 3),
            "cells": sweep.cells, "cells_done": sweep.done, "stopped": sweep.stopped or None, "exit": sweep.exit_code,
            "forecast": off, "part": part_json(part)}
