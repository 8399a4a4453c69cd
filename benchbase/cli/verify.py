"""`bench leaderboard verify` and `changes`: whether a leaderboard is what it says it is, and what is new on it."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, quiet_option, traceback_option
from benchbase.cli.output import count, err, out, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchbase.board.finding import Finding
    from benchbase.board.survey import Item
    from benchbase.board.verify import Report

MOST = 200  # findings that are printed; --json has all


@click.command("verify", short_help="Check every record, table and page, offline.")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]", shell_complete=complete.folders)
@click.option("--against", metavar="GITREF", help="A commit of the leaderboard's repository: what was on the board there must still be there.")
@click.option("--recount", is_flag=True, help="Rebuild each distinct network and count its parameters and multiply-adds again. Takes longer.")
@json_option
@quiet_option
@traceback_option
def verify(folder: str, against: str | None, recount: bool, as_json: bool, quiet: bool) -> int:
    """Check the leaderboard in DIR (default: ./leaderboard), from its files alone: fields and their ranges, keys, digests, accuracies
    against the stored bits, ledgers against recipes, records against each other, texts, sizes, and that tables and page are what the
    records give. Says of each file what is wrong and what to do.

    \b
    Exit codes: 0 nothing is wrong, 1 something is, 2 there is no leaderboard or no such commit.

    \b
    Examples:
      bench leaderboard verify
      bench leaderboard verify --against origin/main
      bench leaderboard verify results/ --recount
    """
    from benchbase.board.verify import verify as look

    report = look(Path(folder), against, recounted(quiet) if recount else None)
    if as_json:
        print_json(report.to_json())
    else:
        tell(report)
    return int(bool(report.wrong))


@click.command("changes", short_help="Print what is new since a commit, as Markdown.")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]", shell_complete=complete.folders)
@click.option("--against", metavar="GITREF", required=True, help="The commit of the leaderboard's repository that it is held against.")
@json_option
@traceback_option
def changes(folder: str, against: str, as_json: bool) -> None:
    """Print the rows of the leaderboard in DIR (default: ./leaderboard) that are new or changed since a commit: accuracies, verdicts, ranks and
    what they were, and what stands above a row at no more multiply-adds.

    \b
    Example:
      bench leaderboard changes --against origin/main
    """
    from benchbase.board.build import load
    from benchbase.board.changes import changes as find
    from benchbase.board.changes import to_markdown
    from benchbase.board.history import tables_at
    from benchbase.board.verify import versions

    found = {version.name: find(tables_at(version, against), load(version)) for version in versions(Path(folder))}
    if as_json:
        print_json({"against": against, "versions": [{"version": name, "rows": len(rows), "table": to_markdown(rows)} for name, rows in found.items()]})
        return
    for rows in found.values():
        out(to_markdown(rows))


def tell(report: Report) -> None:
    """The findings, a block each, and one line at the end."""
    for finding in report.findings[:MOST]:
        out(block(finding))
    if len(report.findings) > MOST:
        out(f"and {len(report.findings) - MOST:,} more: --json names all")
    out(summary(report))


def block(finding: Finding) -> str:
    """A finding in three lines: which file, why, what to do."""
    return f"{finding.file}\n  {'' if finding.wrong else f'{finding.level}: '}{finding.reason}\n  {finding.todo}"


def summary(report: Report) -> str:
    """What was looked at, and how much is wrong."""
    looked = f"{count(report.records, 'record')}, {count(report.reproductions, 'reproduction')}, {count(report.failures, 'failed cell')}"
    return f"{looked}: {count(len(report.wrong), 'finding') if report.wrong else 'nothing is wrong'}"


def recounted(quiet: bool) -> Callable[[list[Item]], Iterator[Finding]]:
    """What looks at the networks of records, with the plugins that are here."""
    from benchbase.board.finding import NOTE, WRONG, Finding
    from benchbase.flow.recount import recount
    from benchbase.flow.settings import settings_of
    from benchbase.flow.tools import Tools
    from benchbase.plugin.manager import load_plugins
    from benchbase.training.machine import machine_of
    from benchbase.values.record import Record

    def told(done: int, of: int) -> None:
        if not quiet:
            err(f"network {done + 1} of {of}")

    def look(items: list[Item]) -> Iterator[Finding]:
        own = [item for item in items if isinstance(item.value, Record)]
        tools = Tools(load_plugins(), machine_of("cpu", "fp32"), settings_of().data)
        for found in recount([item.value for item in own], tools, told):  # type: ignore[misc]
            yield Finding(own[found.index].file, found.reason, found.todo, WRONG if found.known else NOTE)
    return look
