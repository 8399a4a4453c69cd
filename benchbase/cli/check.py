"""`bench check`: whether plugins keep their side of the contract."""
from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.options import data_option, json_option, quiet_option, traceback_option
from benchbase.cli.output import count, err, out, print_json, seconds_text

if TYPE_CHECKING:
    from benchbase.conformance.walk import Outcome
    from benchbase.plugin.manager import Plugins


@click.command("check")
@click.argument("names", nargs=-1, metavar="[PLUGIN]...", shell_complete=complete.plugins)
@data_option
@click.option("--download", is_flag=True, help="Let plugins use the network: data sets download what is missing. Otherwise it is off.")
@json_option
@quiet_option
@traceback_option
def command(names: tuple[str, ...], data: str | None, download: bool, as_json: bool, quiet: bool) -> int:
    """Check that plugins keep the contract: what they say of themselves, and what they do on small networks and images of every kind.

    PLUGIN is an entry point's name, a package's, or a method in a file, ./mine.py:MyMethod. Left out: all that are installed beside
    the benchmark's own. Each finding says what is wrong, what to change, and which paragraph of plugins/README.md explains it. What needs
    data that are not here is not checked, and said. The exit code is 1 where something was found, else 0.

    \b
    Examples:
      bench check
      bench check bench-mine
      bench check ./mine.py:MyMethod
      bench check l1-norm --json
    The same checks, each as a test:
      pytest --pyargs benchbase.conformance --plugin NAME
    """
    from benchbase.conformance import walk
    from benchbase.errors import BenchError
    from benchbase.flow.settings import settings_of
    from benchbase.plugin.manager import load_plugins

    plugins = load_plugins()
    asked = names or walk.own(plugins)
    if not asked:
        raise BenchError("there are no plugins beside the benchmark's own", "name one, as `bench check l1-norm`; `bench new method NAME` begins one")
    outcomes = []
    for case in walk.cases(plugins, asked, settings_of(data=data).data):
        outcomes.append(walk.run(case, download))
        if not quiet and not as_json:
            err(f"{mark(outcomes[-1]):10}{case.label}")
    code = int(any(o.findings for o in outcomes))
    if as_json:
        print_json({"plugins": document(outcomes), "exit": code})
    else:
        out(text(outcomes))
        if code and (page := explained(plugins)):
            out(f"plugins/README.md is {page}")
    return code


def explained(plugins: Plugins) -> Path | None:
    """Where plugins/README.md lies on this machine: beside the modules of the benchmark's own plugins."""
    modules = (p.module.__name__.partition(".")[0] for p in plugins.loaded.plugins if p.distribution == "benchbase")
    places = (Path(str(sys.modules[name].__file__)).with_name("README.md") for name in dict.fromkeys(modules) if name != "benchbase")
    return next((place for place in places if place.is_file()), None)


def mark(outcome: Outcome) -> str:
    """One word."""
    return "found" if outcome.findings else "unchecked" if outcome.unchecked else "good"


def document(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """By plugin: every check with its findings, and the seconds it took."""
    by_plugin: dict[str, list[dict[str, Any]]] = {}
    for o in outcomes:
        found = [{"what": f.what, "todo": f.todo, "see": f.link} for f in o.findings]
        by_plugin.setdefault(o.case.plugin, []).append({"subject": o.case.subject, "check": o.case.check, "result": mark(o), "findings": found,
                                                        "unchecked": o.unchecked or None, "seconds": o.seconds})
    return [{"plugin": name, "checks": checks, "seconds": round(sum(c["seconds"] for c in checks), 3)} for name, checks in by_plugin.items()]


def text(outcomes: list[Outcome]) -> str:
    """Findings, what was not checked, and a line that counts, for people."""
    lines: list[str] = []
    for o in outcomes:
        for f in o.findings:
            lines += [f"{f.subject}: {f.what}", *([f"  {f.todo}"] if f.todo else []), f"  see {f.link}"]
    reasons = {(o.case.subject, o.unchecked) for o in outcomes if o.unchecked}
    lines += [f"{subject}: not checked whole: {reason}" for subject, reason in sorted(reasons)]
    found, skipped = sum(len(o.findings) for o in outcomes), sum(bool(o.unchecked) for o in outcomes)
    said = [count(len(outcomes), "check"), count(found, "finding"), *([f"{skipped} not checked"] if skipped else [])]
    return "\n".join([*lines, f"{', '.join(said)} ({seconds_text(sum(o.seconds for o in outcomes))})"])
