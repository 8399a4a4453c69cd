"""The examples of --help are commands: each is read as the command line reads it, every name in it is there, and the quick ones are run."""
from __future__ import annotations

import re
import shlex

import click
import pytest

from benchbase.cli.app import cli
from benchbase.plugin.manager import load_plugins

from .conftest import bench
from .test_complete import commands

QUICK = ("list", "show", "completion")
ALL = [*commands(cli, ""), ("", cli), ("leaderboard", cli.commands["leaderboard"]), ("store", cli.commands["store"])]
KINDS = {"methods": "method", "method": "method", "models": "model", "model": "model", "datasets": "dataset", "dataset": "dataset",
         "budgets": "budget", "budget": "budget", "protocols": "protocol"}


def examples(command: click.Command) -> list[list[str]]:
    """The words of each `bench ...` in the examples of a page, without the prose behind them."""
    text = re.search(r"\n\s*Examples?\b.*?\n(.*)", command.help or "", re.DOTALL)
    found = []
    for line in (text[1] if text else "").splitlines():
        for part in re.split(r" && |\$\(|\)\"| \| ", line):
            if (part := part.strip()).startswith("bench "):
                found.append(shlex.split(re.split(r" {2,}", part)[0])[1:])
    return found


EXAMPLES = [(name, words) for name, command in ALL for words in examples(command)]


def read(words: list[str]) -> tuple[click.Command, click.Context]:
    """The command that `words` name, with what they say to it."""
    command, rest = cli, list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        with click.Context(command) as ctx:
            command = command.get_command(ctx, word := rest.pop(0))
            if command is None:
                raise click.UsageError(f"unknown command {word}")
    return command, command.make_context(command.name, rest, resilient_parsing="--help" in rest)


@pytest.mark.parametrize("name", [name for name, _ in ALL])
def test_every_page_has_an_example_of_its_own(name):
    assert [words for owner, words in EXAMPLES if owner == name and words[:len(name.split())] == name.split()], name


@pytest.mark.parametrize(("name", "words"), EXAMPLES, ids=[" ".join(words) for _, words in EXAMPLES])
def test_examples_are_commands(name, words, here):
    command, ctx = read(words)
    assert not isinstance(command, click.Group) or "--help" in words
    plugins = load_plugins()
    for key, value in ctx.params.items():
        for text in value if isinstance(value, tuple) else [value]:
            if key in KINDS and text and command.name in ("run", "plan", "prune", "explain") and not str(text).startswith("./") \
                    and not str(text).endswith(".yaml"):
                getattr(plugins, KINDS[key])(text)
    if words[0] in QUICK:
        said = bench(*words)
        assert (said.code, said.err) == (0, "") and said.out


def test_an_example_that_is_no_command_would_be_seen():
    with pytest.raises(click.ClickException):
        read(["run", "--methods", "thinet"])
    assert examples(click.Command("x", help="Text.\n\nExamples:\n  bench run -m 'a b' && bench check x    prose\n  not bench\n")) == [
        ["run", "-m", "a b"], ["check", "x"]]


@pytest.mark.parametrize("name", [name for name, command in ALL if not isinstance(command, click.Group) and name != "completion"])
def test_every_verb_that_says_something_says_it_as_json(name):
    command = dict(ALL)[name]
    assert any("--json" in param.opts for param in command.params)
