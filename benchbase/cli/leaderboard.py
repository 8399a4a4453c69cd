"""`bench leaderboard`: tables from records."""
from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import PIPE_WIDTH, out, print_json, print_rich
from benchbase.cli.verify import changes, verify
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.board.reported import Cited
    from benchbase.board.table import Table
    from benchbase.plugin.manager import Plugins

FORMATS = ("text", "json", "csv", "latex", "svg", "png")


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
command.add_command(changes)


@command.command("build", short_help="Write the tables of all records.")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]", shell_complete=complete.folders)
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


@command.command("show", short_help="Print or export the tables of all records, or a selection of them.")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]", shell_complete=complete.folders)
@click.option("--dataset", multiple=True, metavar="NAME", shell_complete=complete.datasets,
              help="Only this data set; patterns like 'cifar*' too. Repeatable.")
@click.option("--model", multiple=True, metavar="NAME", shell_complete=complete.models, help="Only this model. Repeatable.")
@click.option("-m", "--method", multiple=True, metavar="NAME", shell_complete=complete.methods,
              help="Only this method, by its name or as the table labels it. Repeatable.")
@click.option("--budget", multiple=True, metavar="B", shell_complete=complete.budgets, help="Only this budget, as the table labels it. Repeatable.")
@click.option("--verdict", multiple=True, metavar="WORDS", help="Only rows that say so: 'undecided', 'weights*', 'no verdict'. Repeatable.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="How to write it.  [default: as FILE's name ends, else text]")
@click.option("--out", "target", metavar="FILE", shell_complete=complete.files, help="Write into this file instead of stdout.")
@json_option
@traceback_option
def show(folder: str, form: str | None, target: str | None, as_json: bool, **wanted: tuple[str, ...]) -> None:
    """Print the tables of all records in DIR (default: ./leaderboard), or of some of them: what the page shows, in a terminal. As CSV for
    spreadsheets, LaTeX for papers (booktabs), SVG or PNG for slides.

    \b
    Examples:
      bench leaderboard show
      bench leaderboard show results/ --json
      bench leaderboard show --dataset 'cifar*' -m thinet -m random
      bench leaderboard show --verdict 'weights*' --out weights.csv
      bench leaderboard show --model resnet20 --out gaps.svg
    """
    from benchbase.board.build import load
    from benchbase.board.select import Selection, select
    from benchbase.cli.run import defaults
    from benchbase.plugin.manager import load_plugins

    form = form_of(form, target, as_json)
    tables = select(load(Path(folder), defaults(load_plugins())), Selection(**wanted))
    if form == "text" and not target:
        from benchbase.board.text import render

        print_rich(render(tables))
        return
    exported = export(tables, form)
    if target:
        save(Path(target), exported)
        out(target)
    elif isinstance(exported, bytes):
        raise BenchError("a PNG is no text for a terminal", "name a file: --out FILE.png")
    else:
        out(exported.rstrip("\n"))


def form_of(form: str | None, target: str | None, as_json: bool) -> str:
    """The format that is asked for: said, by --json, or by how the file's name ends. BenchError where they contradict each other."""
    if as_json and form not in (None, "json"):
        raise BenchError(f"--json and --format {form} contradict each other", "give one of them")
    suffix = Path(target).suffix.lower().removeprefix(".") if target else ""
    return form or ("json" if as_json else {"tex": "latex", "txt": "text"}.get(suffix, suffix if suffix in FORMATS else "text"))


def export(tables: list[Table], form: str) -> str | bytes:
    """The tables in a format."""
    from benchbase.board import charts
    from benchbase.board.document import to_json
    from benchbase.board.export import csv_text, latex_text

    writers: dict[str, Callable[[list[Table]], str | bytes]] = {
        "text": plain_text, "json": lambda t: json.dumps(to_json(t), indent=1, allow_nan=False) + "\n", "csv": csv_text, "latex": latex_text,
        "svg": charts.svg, "png": charts.png}
    return writers[form](tables)


def plain_text(tables: list[Table]) -> str:
    """The tables as a terminal without colours shows them."""
    from rich.console import Console

    from benchbase.board.text import render

    buffer = io.StringIO()
    Console(file=buffer, width=PIPE_WIDTH, no_color=True).print(render(tables))
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip().splitlines()) + "\n"


def save(path: Path, exported: str | bytes) -> None:
    """Write a file. BenchError where that cannot be done."""
    try:
        path.write_bytes(exported if isinstance(exported, bytes) else exported.encode())
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror or error}", "give a file in a folder that can be written") from None


def cited(plugins: Plugins) -> dict[str, Cited]:
    """Method -> its paper, and the numbers reported there."""
    from benchbase.board.reported import Cited

    return {offer.name: Cited(offer.paper or "", tuple(offer.value.reported)) for offer in plugins.offers("methods")}
