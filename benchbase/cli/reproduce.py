"""`bench reproduce`: a record's cell again, from nothing, held against the record."""
from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.folders import check_writable
from benchbase.cli.options import folder_options, json_option, quiet_option, settings_from, traceback_option
from benchbase.cli.output import columns, out, print_json
from benchbase.cli.progress import progress
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.board.drift import Drift
    from benchbase.values.record import Record


@click.command("reproduce")
@click.argument("record", metavar="RECORD.json", shell_complete=complete.files)
@click.option("--dataset", metavar="NAME", shell_complete=complete.datasets,
              help="Where its images are, when the record's name does not say: 'imagefolder:PATH[size=32]'.")
@click.option("-m", "--method", metavar="FILE.py:CLASS", shell_complete=complete.files, help="The file of a method that is in no package.")
@click.option("--leaderboard", metavar="DIR", shell_complete=complete.folders,
              help="Folder that the new record is written to.  [default: ./reproduction]")
@click.option("--keep", is_flag=True, help="Put the new record beside the old one, as its reproduction <key>.<n>.json, and nowhere else.")
@click.option("--device", metavar="auto|cpu|cuda[:i]", shell_complete=complete.words("auto", "cpu", "cuda"),
              help="Where to compute.  [default: the record's, if there is one]")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), help="[default: the record's]")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads of one stage.  [default: the record's]")
@folder_options
@json_option
@quiet_option
@traceback_option
def command(record: str, keep: bool, as_json: bool, quiet: bool, **given: Any) -> int:
    """Run the cell of RECORD.json again, its base included, and print PASS or DRIFT: how far top-1 is from the record's, how far it may be
    and why, and what differs in the environment. On the same device, threads and versions every bit must be the same.

    \b
    Exit codes: 0 PASS, 1 DRIFT or the cell failed, 2 the record or the command was wrong.

    \b
    Examples:
      bench reproduce leaderboard/v1/records/digits/vgg-digits/thinet/0a1b....json
      bench reproduce RECORD.json --dataset 'imagefolder:PATH[size=32,per_class=1000]' --keep
    """
    from benchbase.board.drift import drift
    from benchbase.values.record import consistent, load_records, read

    path = Path(record)
    first = read(path)
    if wrong := consistent(first):
        raise BenchError(f"{path} contradicts itself: {wrong[0]}",
                         "take a record as it was written; `bench leaderboard verify` says all that is wrong")
    target = path if keep else Path(given["leaderboard"] or "reproduction")
    check_writable("new record", path.absolute().parent if keep else target.absolute(), "leave --keep out, or name a folder with --leaderboard")
    new, where = run(first, path, target, keep, given, quiet)
    found = drift(first, new, load_records(path.parent) if path.parent.name != "failed" else [first])
    if as_json:
        print_json(document(first, new, found, where))
    else:
        out(text(first, new, found, where))
    return int(not found.passed)


def run(first: Record, path: Path, target: Path, keep: bool, given: dict[str, Any], quiet: bool) -> tuple[Record, Path]:
    """Run the cell of a record; the new record and where it was written. Raises BenchError where it failed."""
    from benchbase.flow.repeat import again, check_same, settings_like, suite_for
    from benchbase.plugin.manager import load_plugins
    from benchbase.values.record import read, write_again

    plugins, suite = load_plugins(), suite_for(first, given["dataset"] or "", given["method"] or "")
    settings = settings_like(first, settings_from({"data": given["data"], "store": given["store"]}), given)
    check_same(first, suite, settings, plugins)
    with tempfile.TemporaryDirectory() as aside, progress(quiet) as seen:
        sweep = again(first, suite, replace(settings, leaderboard=Path(aside) if keep else target), plugins, seen.done, seen.running)
        if sweep.stopped:
            raise KeyboardInterrupt(sweep.stopped)
        if not sweep.records:
            cell, kind, what = sweep.failures[0]
            raise BenchError(f"{cell}: {what}", "the record cannot be repeated here", kind if kind != "usage" else "infra_error")
        new = read(sweep.records[0])
        return new, write_again(new, path.with_name(f"{first.key}.json")) if keep else sweep.records[0]


def text(first: Record, new: Record, found: Drift, where: Path) -> str:
    """The word, the reasons, the numbers, the environments."""
    lines = ["PASS" if found.passed else "DRIFT", *(f"  {reason}" for reason in found.reasons)]
    allowed = "bit for bit" if found.exact else f"within {found.tolerance:.2f} points"
    rows = [("top-1", f"{first.metrics.top1:.2f}", f"{new.metrics.top1:.2f}", f"{found.difference:+.2f} ({allowed}: {found.source})"),
            ("unpruned", f"{first.unpruned.top1:.2f}", f"{new.unpruned.top1:.2f}", f"{new.unpruned.top1 - first.unpruned.top1:+.2f}"),
            *((name, f"{getattr(first.metrics, name):,}", f"{getattr(new.metrics, name):,}",
               f"{getattr(new.metrics, name) - getattr(first.metrics, name):+,}") for name in ("params", "macs")),
            *((what, was, now, "") for what, was, now in found.environment)]
    return "\n".join([*lines, *columns([("", "record", "again", "difference"), *rows]), f"written to {where}"])


def document(first: Record, new: Record, found: Drift, where: Path) -> dict[str, Any]:
    """The document of --json."""
    return {"result": "PASS" if found.passed else "DRIFT", "key": first.key, "record": str(where), "reasons": list(found.reasons),
            "top1": {"record": first.metrics.top1, "again": new.metrics.top1, "difference": found.difference, "tolerance": found.tolerance,
                     "source": found.source, "exact": found.exact},
            "unpruned": {"record": first.unpruned.top1, "again": new.unpruned.top1},
            "environment": [{"what": what, "record": was, "again": now} for what, was, now in found.environment]}
