"""`bench completion`: what a shell needs to complete commands, options and names."""
from __future__ import annotations

import click

from benchbase.cli.options import traceback_option
from benchbase.cli.output import out
from benchbase.errors import BenchError

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@traceback_option
def command(shell: str) -> None:
    """Print a script that lets SHELL complete verbs, options and names: methods with their parameters, models, data sets, budgets, protocols, suites,
    plugins, folders and files. What plugins offer is kept in your cache folder, until one of them is installed, removed or changed, so that no completion
    waits for imports.

    \b
    Examples, for the file that the shell reads when it starts:
      eval "$(bench completion bash)"          in ~/.bashrc (bash 4.4 or later)
      eval "$(bench completion zsh)"           in ~/.zshrc, after compinit
      bench completion fish | source           in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from benchbase.cli.app import cli

    made = get_completion_class(shell)
    if made is None:
        raise BenchError(f"click cannot complete in {shell}", f"it knows {', '.join(SHELLS)}")
    out(made(cli, {}, "bench", "_BENCH_COMPLETE").source().rstrip())
