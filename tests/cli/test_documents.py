"""Every `bench ...` in the READMEs and in the page's texts is a command as the command line reads it: verbs, options, and the names in them."""
from __future__ import annotations

import contextlib
import re
import shlex
from pathlib import Path

import click
import pytest

from benchbase.cli.app import cli

from .test_help import read

ROOT = Path(__file__).parents[2]
FILES = ("README.md", "plugins/README.md", "benchmarks/README.md", "leaderboard/v1/README.md", "benchbase/board/howto.py", "benchbase/plugin/templates/readme.txt")
OPEN = re.compile(r"\.\.\.|\$\w|…")  # written for the reader to fill in


def commands(text: str) -> list[str]:
    """Lines of indented blocks, and code in sentences, that begin with `bench`; comments, pipes and prompts taken off."""
    joined = re.sub(r"\\\n\s*", "", text)
    blocks = [line.strip() for line in joined.splitlines() if re.match(r" {4,}(\w+=\S+ |pip install .* && )?bench ", line)]
    spans = re.findall(r"`((?:\w+=\S+ )?bench [^`]+)`", joined)
    found = [part for line in (*blocks, *spans) for part in re.split(r" && | \|\| | \| |  +#| #", line)]
    return [re.sub(r"^\w+=\S+ ", "", part).strip() for part in found if re.match(r"(\w+=\S+ )?bench ", part)]


FOUND = [(file, line) for file in FILES for line in dict.fromkeys(commands((ROOT / file).read_text(encoding="utf-8")))]


@pytest.mark.parametrize(("file", "line"), FOUND, ids=[f"{file}: {line}" for file, line in FOUND])
def test_it_is_a_command(file, line):
    words = shlex.split(line)[1:]
    if OPEN.search(line) or len(words) == 1:  # a verb as such
        assert words[0] in cli.commands or words[0].startswith("-")
        return
    with contextlib.suppress(click.MissingParameter):  # a sentence need not say all of it
        assert read(words)[0].name


def test_what_is_no_command_would_be_seen():
    assert commands("    bench run -m x --seeds 0 \\\n        --jobs 2   # why\n\nSee `bench lsit all` or `pip`.\n") == [
        "bench run -m x --seeds 0 --jobs 2", "bench lsit all"]
    assert len(FOUND) > 40
    for words in (["lsit", "all"], ["run", "--methods", "thinet"], ["list", "--all"]):
        with pytest.raises(click.UsageError):
            read(words)
