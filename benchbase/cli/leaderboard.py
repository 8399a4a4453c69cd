"""`bench leaderboard`: tables from records."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import out, print_json, print_rich
from benchbase.cli.verify import verify

if TYPE_CHECKING:
    from benchbase.board.reported import Cited
    from benchbase.plugin.manager import Plugins


@click.group("leaderboard", context_settings={"help_option_names": ["-h", "--help"]})
@traceback_option
def command() -> None:
    """Build or print the tables of a leaderboard: a folder with the records of any number of runs, ./leaderboard unless told otherwise.

    \b
    Examples:
      bench leaderboard show
      bench leaderboard build results/
    """


command.add_command(verify)


@command.command("build", short_help="Write the tables of all records.")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]")
@json_option
@traceback_option
def build(folder: str, as_json: bool) -> None:
    """Write the tables of all records in DIR (default: ./leaderboard): DIR/v1/index.html, a page for browsers that needs
    no network, DIR/v1/README.md for other readers and DIR/v1/index.json for programs. The same records give the same bytes;
    the page also quotes the papers of the methods that are installed.

    \b
    Example:
      bench leaderboard build
    """
    from benchbase.board.build import build as write
    from benchbase.plugin.manager import load_plugins

    written = write(Path(folder), cited(load_plugins()))
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


def cited(plugins: Plugins) -> dict[str, Cited]:
    """Method -> its paper, and the numbers reported there."""
    from benchbase.board.reported import Cited

    return {offer.name: Cited(offer.paper or "", tuple(offer.value.reported)) for offer in plugins.offers("methods")}
