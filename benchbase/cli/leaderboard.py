"""`bench leaderboard`: tables from records."""
from __future__ import annotations

from pathlib import Path

import click

from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import out, print_json, print_rich


@click.group("leaderboard", context_settings={"help_option_names": ["-h", "--help"]})
@traceback_option
def command() -> None:
    """Build or print the tables of a leaderboard: a folder with the records of any number of runs, ./leaderboard unless told otherwise.

    \b
    Examples:
      bench leaderboard show
      bench leaderboard build results/
    """


@command.command("build", short_help="Write the tables of all records.")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]")
@json_option
@traceback_option
def build(folder: str, as_json: bool) -> None:
    """Write the tables of all records in DIR (default: ./leaderboard): DIR/v1/README.md for people and
    DIR/v1/index.json for programs. The same records give the same bytes.

    \b
    Example:
      bench leaderboard build
    """
    from benchbase.board.build import build as write

    written = write(Path(folder))
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        out(str(path))


@command.command("show", short_help="Print the tables of all records.")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]")
@json_option
@traceback_option
def show(folder: str, as_json: bool) -> None:
    """Print the tables of all records in DIR (default: ./leaderboard).

    \b
    Examples:
      bench leaderboard show
      bench leaderboard show results/ --json
    """
    from benchbase.board.build import load, to_json
    from benchbase.cli.run import defaults
    from benchbase.plugin.manager import load_plugins

    tables = load(Path(folder), defaults(load_plugins()))
    if as_json:
        print_json(to_json(tables))
        return
    from benchbase.board.text import render

    print_rich(render(tables))
