"""`bench plan`: what `bench run` would do."""
from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.folders import existing
from benchbase.cli.options import budget_time_option, run_options, settings_from, suite_from
from benchbase.cli.output import bytes_text, columns, count, out, print_json, seconds_text
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.flow.forecast import Forecast
    from benchbase.flow.plan import Plan
    from benchbase.flow.settings import Settings
    from benchbase.plugin.manager import Plugins
    from benchbase.values.spec import Suite

NAMES = {"train": "trainings", "prune": "prunings", "measure": "measurements"}


@click.command("plan")
@click.argument("suite", required=False, metavar="[SUITE.yaml]", shell_complete=complete.suites)
@run_options
@budget_time_option
@click.option("--time-limit", hidden=True)
@click.option("--dry-run", is_flag=True, hidden=True)
@click.option("--sbatch", metavar="FILE", type=click.Path(path_type=Path), shell_complete=complete.files,
              help="Write a script that submits the stages to SLURM, level by level.")
def command(suite: str | None, as_json: bool, quiet: bool, dry_run: bool, time_limit: str | None, budget_time: str | None, sbatch: Path | None,
            **given: Any) -> int:
    """Say what `bench run` with the same arguments would do: how many trainings, prunings and measurements are asked for, how many are
    distinct, in the store, and left to run; how many are shared by several cells; what cannot be done and why.

    Nothing is trained. Networks are traced to know what each budget comes to, and that is kept in the store. Methods that decide the
    architecture themselves may arrive at fewer distinct trainings than foreseen: then the plan says "at most". Time and disk are
    forecast from stages that have run on this device: of the same model, else of any.

    \b
    Examples:
      bench plan --method thinet
      bench plan suite.yaml --json
      bench plan suite.yaml --budget-time 2h
      bench plan suite.yaml --sbatch submit.sh
    """
    from benchbase.plugin.manager import load_plugins

    plugins = load_plugins()
    if sbatch is not None:
        if budget_time:
            raise BenchError("a script for SLURM is for all of a suite", "leave --budget-time out, or name a part of the suite by options")
        from benchbase.cli.sbatch import write_sbatch

        return write_sbatch(sbatch, suite_from(suite, plugins, given), settings_from(given), plugins, click.get_current_context())
    return report(suite_from(suite, plugins, given), settings_from(given), plugins, as_json, budget_time)


def report(suite: Suite, settings: Settings, plugins: Plugins, as_json: bool, budget_time: str | None = None) -> int:
    """Print the plan of a suite, or of the part of it that fits in a time."""
    from benchbase.cli.folders import check_run_folders
    from benchbase.cli.part import part_from, part_json, part_text
    from benchbase.flow.part import foreseen_suite

    check_run_folders(settings)
    settings, part = part_from(budget_time, suite, settings, plugins)
    made, ahead = foreseen_suite(suite, settings, plugins)
    free = shutil.disk_usage(existing(settings.store)).free
    if as_json:
        print_json({**made.to_json(), "shared": shared(made), "forecast": {**asdict(ahead), "free": free},
                    "part": part_json(part)})
    else:
        if part:
            out(part_text(part))
        out(text(made, ahead, free))
    return 0


def shared(made: Plan) -> int:
    """Trainings that more than one cell or protocol asks for."""
    return sum(e.kind == "train" and e.asked > 1 for e in made.entries)


def text(made: Plan, ahead: Forecast, free: int) -> str:
    """A plan for people."""
    said = made.to_json()
    most = "at most " if said["at_most"] else ""
    rows: list[tuple[str, ...]] = [("", "asked", "distinct", "cached", "to run")]
    rows += [(name, *(f"{most if key == 'to_run' else ''}{said['stages'][kind][key]:,}" for key in ("asked", "distinct", "cached", "to_run")))
             for kind, name in NAMES.items()]
    lines = [count(made.cells, "cell"), *columns(rows)]
    if again := shared(made):
        lines.append(f"{count(again, 'training')} shared by several cells or protocols")
    if any(not e.cached for e in made.entries):
        lines += [f"to train: {most}{said['macs_to_run']:.3g} multiply-adds", *outlook(ahead, free)]
    else:
        lines.append("everything is in the store: nothing to run")
    lines += [f"refused: {cell}: {reason}" for cell, reason in made.refused]
    return "\n".join(lines)


def outlook(ahead: Forecast, free: int) -> tuple[str, str]:
    """Time and disk, as far as they can be foreseen."""
    unknown = "unknown, nothing of the kind has run on this device yet"
    time = unknown
    if ahead.seconds is not None:
        least, most = ahead.seconds / (1 + (ahead.within or 0)), ahead.seconds * (1 + (ahead.within or 0))
        time = f"about {seconds_text(ahead.seconds)} ({seconds_text(least)} to {seconds_text(most)})"
    return (f"time: {time}",
            f"disk: {unknown if ahead.bytes is None else 'about ' + bytes_text(ahead.bytes)}; {bytes_text(free)} free")
