from __future__ import annotations

import os
import shutil
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete

from benchbase.cli.app import VERBS, cli

from .conftest import bench

NUMBERS = {"seeds", "assignments", "stage_timeout", "stage_memory", "time_limit", "budget_time", "older_than", "conditions", "verdict"}  # nothing to choose from
OWN_WORDS = {"name", "home", "against", "base", "address", "stage", "shape", "url", "keys"}  # of the user, of git, of a cluster, a plan or a store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The user's cache folder: empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def completed(*words: str) -> list[str]:
    """What the last word could become."""
    *before, last = words
    return [item.value for item in ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions(before, last)]


@pytest.mark.parametrize(("words", "expected"), [
    (("run", "-m", "thi"), ["thinet"]), (("run", "-m", "thinet[re"), ["thinet[refit=true]"]),
    (("run", "-m", "thinet[images=64,re"), ["thinet[images=64,refit=true]"]), (("plan", "--model", "vgg-d"), ["vgg-digits"]),
    (("run", "--model", "torch"), ["torchvision:"]), (("run", "--dataset", "imagef"), ["imagefolder:"]), (("run", "smo"), ["smoke"]),
    (("run", "--budget", "vgg16-a"), ["vgg16-a"]), (("run", "--budget", "mac"), ["macs=0.5"]), (("run", "--protocol", "scratch-e"), ["scratch-e"]),
    (("run", "--executor", "ser"), ["serial"]), (("list", "met"), ["methods", "metrics"]), (("show", "vgg16-5"), ["vgg16-5x"]),
    (("check", "l1"), ["l1-norm"]), (("new", "proto"), ["protocol"]), (("leaderboard", "ver"), ["verify"]), (("expl",), ["explain"]),
    (("run", "--device", "c"), ["cpu", "cuda"]), (("run", "-m", "no-such-thing["), []), (("run", "-m", "l1-norm[zzz"), [])])
def test_names_of_every_kind(words, expected):
    assert completed(*words) == expected


def test_folders_and_files_are_the_shells():
    comp = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE")
    for words, kind in ((["run", "--store"], "dir"), (["run"], "file"), (["run", "-m"], "file"), (["prune", "--weights"], "file")):
        (item,) = comp.get_completions(words, "./x")
        assert (item.type, item.value) == (kind, "./x"), words


def test_methods_are_told_with_what_they_do():
    items = ShellComplete(cli, {}, "bench", "_BENCH_COMPLETE").get_completions(["run", "-m"], "thinet")
    assert len(items) == 1 and len(items[0].help) > 20


def commands(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        with click.Context(command) as ctx:
            return [pair for sub in command.list_commands(ctx) for pair in commands(command.get_command(ctx, sub), f"{name} {sub}".strip())]
    return [(name, command)]


@pytest.mark.parametrize("verb", VERBS)
def test_everything_that_takes_a_text_completes_it(verb):
    for name, command in commands(cli.commands[verb], verb):
        with click.Context(command) as ctx:
            silent = [param.name for param in command.params if not param.shell_complete(ctx, "") and param.type == click.STRING
                      and not getattr(param, "is_flag", False) and not getattr(param, "hidden", False)]
        assert set(silent) <= NUMBERS | OWN_WORDS, name


def test_a_clash_or_a_broken_plugin_costs_the_names_and_says_nothing(package, capsys):
    package("clash", "from benchbase import Method, hookimpl\nclass Other(Method):\n    '''One.'''\n    name = 'thinet'\n"
                     "    def select(self, net, data, budget): ...\n@hookimpl\ndef bench_methods():\n    return [Other]\n")
    assert completed("run", "-m", "thi") == [] and completed("run", "--model", "vgg-d") == ["vgg-digits"]
    assert capsys.readouterr() == ("", "")


def test_completing_imports_no_torch(python):
    code = ("import sys\nfrom click.shell_completion import ShellComplete\nfrom benchbase.cli.app import cli\n"
            "done = ShellComplete(cli, {}, 'bench', '_BENCH_COMPLETE')\n"
            "for words in (['run', '-m'], ['run', '--model'], ['run', '--dataset'], ['run', '--budget'], ['run'], ['show'], ['check'], []):\n"
            "    assert done.get_completions(words, ''), words\n"
            "print({'torch', 'torchvision', 'timm', 'numpy', 'scipy', 'sklearn', 'pydantic', 'rich'} & set(sys.modules), end='')")
    done = python("-c", code)
    assert (done.stdout, done.stderr) == ("set()", "")


def test_bash_completes(here):
    if not (bash := shutil.which("bash")):
        pytest.skip("bash is not installed")
    script = 'eval "$(bench completion bash)"; COMP_WORDS=(bench run -m thin); COMP_CWORD=3; _bench_completion bench; echo "${COMPREPLY[@]}"'
    (here / "bench").write_text(f"#!{sys.executable}\nimport sys\nfrom benchbase.cli import main\nsys.exit(main())\n")
    (here / "bench").chmod(0o755)
    path = os.pathsep.join([str(here), os.environ["PATH"]])
    done = subprocess.run([bash, "-c", script], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
    assert (done.stdout, done.stderr) == ("thinet\n", "")


@pytest.mark.parametrize(("shell", "has"), [("bash", "complete -o nosort -F _bench_completion bench"), ("zsh", "#compdef bench"),
                                            ("fish", "complete --no-files --command bench")])
def test_scripts_for_every_shell(shell, has):
    said = bench("completion", shell)
    assert said.code == 0 and has in said.out and "_BENCH_COMPLETE" in said.out


@pytest.mark.parametrize("words", [("completion",), ("completion", "tcsh")])
def test_other_shells(words):
    said = bench(*words)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and said.lines[1] == "see `bench completion --help`"
