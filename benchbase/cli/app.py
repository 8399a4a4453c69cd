"""The group `bench`: its verbs by name, each imported when it is used, and those of plugins after them."""
from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from benchbase.cli.options import traceback_option
from benchbase.errors import unknown

VERBS = {
    "run": "Prune, train by every protocol, measure, record.",
    "plan": "Say what `bench run` would do: stages, sharing, time and disk.",
    "prune": "Prune one trained network and write it into a folder.",
    "latency": "Time pruned networks beside their dense ones.",
    "export": "Write a pruned network as ONNX, for torch.export, or as safetensors.",
    "import": "Read weights that others trained into a folder of ours.",
    "list": "List methods, models, data sets and everything else there is.",
    "show": "Show one of them: parameters, paper, reported numbers.",
    "patterns": "Average where pruned networks keep their channels, as a budget for others.",
    "explain": "Show which channels of a network go together, and what pins the rest.",
    "new": "Begin a plugin: a package that installs, runs and passes `bench check`.",
    "check": "Check that plugins keep the contract.",
    "compare": "Compare two methods, budgets or sets of records, paired by seed.",
    "leaderboard": "Build, check or print the tables of a leaderboard.",
    "reproduce": "Run a record's cell again: PASS or DRIFT.",
    "submit": "Check records and commit them on a branch, for a pull request.",
    "store": "List, clean and check the store of finished stages.",
    "completion": "Let the shell complete verbs, options and names.",
    "doctor": "Check versions, devices, plugins and folders; say how to mend what is wrong.",
}


class Verbs(dict[str, Any]):
    """Commands by name. One of the core's is None until it is taken out, and then imported."""

    def __getitem__(self, name: str) -> click.Command:
        if super().__getitem__(name) is None:
            self[name] = import_module(f"benchbase.cli.{name}").command
        return super().__getitem__(name)  # type: ignore[no-any-return]


class Bench(click.Group):
    """A group that imports a verb when it is used, and asks plugins for theirs only where that is needed."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.commands = Verbs(dict.fromkeys(VERBS))

    def ask(self, told: bool = False) -> list[str]:
        """Ask the plugins (told: those whose source speaks of verbs) for theirs; the names. None replaces one of the core's."""
        from benchbase.cli.plugins import commands

        self.commands = Verbs(dict.fromkeys(VERBS))
        for command in commands(self, told):
            self.add_command(command)
        return sorted(set(self.commands) - set(VERBS))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS, *self.ask(told=True)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.commands[cmd_name] if cmd_name in self.commands or cmd_name in self.ask() else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        command = self.get_command(ctx, args[0])
        if command is None:
            raise unknown("command", args[0], self.commands)
        return args[0], command, args[1:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with a line each, out of the table above: no verb is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))
        rows = [(name, self.commands[name].get_short_help_str(limit=80)) for name in self.ask(told=True)]
        if rows:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(rows)


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"bench {version('benchbase')}")
        ctx.exit()


@click.group("bench", cls=Bench, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version and exit.")
@traceback_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Is a pruned network good because of the weights it inherits, or only because of its architecture?

    bench prunes networks by many methods, trains what is left by several protocols (fine-tuned, from scratch for the same epochs, from
    scratch for the same compute), and writes one record for each: leaderboard/v1/records/... Finished work is kept in a store and never
    done twice; a command that was interrupted goes on where it stopped when it is given again.

    \b
    Examples:
      bench run --method thinet               ThiNet on real handwritten digits: minutes, no GPU, no download
      bench run suite.yaml --jobs 4           a suite, four cells at a time
      bench list methods                      what there is
      bench run --help                        every option, with examples

    \b
    Exit codes:
      0    all that was asked is done
      1    a cell failed; the rest is done and recorded
      2    the command or a file was wrong; two lines say what, and what to do
      130  interrupted (Ctrl-C, SIGTERM, --time-limit); the same command goes on from there

    \b
    Environment:
      BENCH_STORE    folder of finished stages (default: in the user's cache folder)
      BENCH_DATA     folder of downloaded data (default: in the user's cache folder)
      BENCH_PLUGINS  load only these plugins, by their entry points' names, separated by commas
      BENCH_CSV, BENCH_TENSORBOARD
                     folders that the trackers of the benchmark write epochs and results to (default: none)
      NO_COLOR       no colours
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
