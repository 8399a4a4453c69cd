"""`bench new`: a plugin package to begin with."""
from __future__ import annotations

from pathlib import Path

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import out, print_json


@click.command("new")
@click.argument("kind", type=click.Choice(["method", "model", "dataset", "protocol"]))
@click.argument("name")
@click.option("--dir", "folder", default=".", show_default=True, metavar="DIR", shell_complete=complete.folders,
              help="Where the package's folder is made. Nothing is overwritten.")
@click.option("--from", "source", default="", metavar="SOURCE", shell_complete=complete.files,
              help="timm:NAME or torchvision:NAME for a model, ./mine.py for a method in a file.")
@click.option("--benchbase", "home", default="", metavar="OWNER/NAME",
              help="Where benchbase lives on GitHub: the workflow then calls its reusable check as well. Otherwise that stands there as a comment.")
@json_option
@traceback_option
def command(kind: str, name: str, folder: str, source: str, home: str, as_json: bool) -> None:
    """Begin a plugin: a package with an entry point, a working example, tests and a workflow for continuous integration. It installs, runs and
    passes `bench check` as it is; the line to replace is marked in capitals.

    NAME is what the command line will call it: small letters, digits and dashes.

    \b
    Examples:
      bench new method my-idea && pip install -e my-idea && bench check my-idea
      bench new method my-idea --from ./mine.py
      bench new model my-net --from timm:mobilenetv3_small_100
      bench new dataset my-images --dir plugins
      bench new protocol my-schedule
    """
    from benchbase.plugin.manager import load_plugins
    from benchbase.plugin.scaffold import new

    made = new(kind, name, Path(folder), load_plugins(), source, home)
    if as_json:
        print_json({"folder": str(made.folder), "name": made.name, "files": list(made.files), "edit": made.edit, "run": made.run})
        return
    out(f"{made.folder}: {len(made.files)} files; edit {made.folder / made.edit}, then")
    for line in (f"pip install -e {made.folder}", f"bench check {name}", made.run):
        out(f"  {line}")
