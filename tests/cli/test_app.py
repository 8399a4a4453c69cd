from __future__ import annotations

import json
import sys

import click
import pytest

from benchbase.cli import main
from benchbase.cli.app import VERBS, cli

from .conftest import bench

OPTIONS = ("--method", "-m", "--model", "--dataset", "--budget", "--protocol", "--seeds", "--epochs", "--finetune-epochs", "--set", "--device",
           "--precision",
           "--executor", "--jobs", "--leaderboard", "--store", "--data", "--rerun", "--json", "-q", "--traceback")

HELLO = """
import click
from benchbase import hookimpl

@click.command()
@click.argument("name")
def hello(name):
    '''Say hello.'''
    click.echo(f"hello {name}")
    return 3

@hookimpl
def bench_commands(cli):
    assert "run" in cli.commands
    return [hello]
"""


def test_help_names_every_verb_and_exit_code():
    said = bench("--help")
    assert (said.code, said.err) == (0, "") and all(f"\n  {verb} " in said.out for verb in VERBS)
    assert all(f"\n    {code} " in said.out for code in (0, 1, 2, 130)) and bench().out == said.out == bench("-h").out


def test_version():
    assert bench("--version").out.startswith("bench 0.")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_page(verb):
    said = bench(verb, "--help")
    assert (said.code, said.err) == (0, "") and "Example" in said.out and f"\n    bench {verb}" in said.out and "--traceback" in said.out


def test_run_and_plan_have_every_option_of_the_contract():
    run, plan = bench("run", "--help").out, bench("plan", "--help").out
    assert not [o for o in (*OPTIONS, "--dry-run", "--time-limit") if o not in run] and not [o for o in OPTIONS if o not in plan]


def test_a_verb_that_is_not_there():
    said = bench("lsit")
    assert (said.code, said.out) == (2, "") and said.lines[0] == "error: unknown command 'lsit'" and said.lines[1].startswith("did you mean 'list'")


def test_an_option_that_is_not_there():
    said = bench("run", "--methods", "thinet")
    assert (said.code, len(said.lines)) == (2, 2) and "--method" in said.lines[0] and said.lines[1] == "see `bench run --help`"


def test_help_and_list_import_what_they_need_and_no_more(python):
    code = "import sys\nfrom benchbase.cli import main\n" \
        "codes = [main(a) for a in ([], ['list'], ['list', '--json'], ['show', 'thinet'], *([v, '--help'] for v in %r))]\n" \
        "print(codes, sorted({'torch', 'numpy', 'scipy', 'pydantic', 'rich', 'sklearn', 'torchvision'} & set(sys.modules)), file=sys.stderr)"
    done = python("-c", code % (list(VERBS),))
    assert done.stderr.strip() == f"{[0] * (4 + len(VERBS))} []"


def test_help_of_the_whole_imports_no_verb(python):
    code = "import sys\nfrom benchbase.cli import main\nmain(['--help'])\nprint({'benchbase.cli.' + v for v in %r} & set(sys.modules), file=sys.stderr)"
    assert python("-c", code % (list(VERBS),)).stderr.strip() == "set()"


def test_threads_do_not_spin(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert main(["--version"]) == 0
    assert __import__("os").environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_the_console_script(python):
    done = python("-c", "import sys; from importlib.metadata import entry_points; "
                        "(e,) = entry_points(group='console_scripts', name='bench'); sys.argv = ['bench', 'lsit']; sys.exit(e.load()())")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 2


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """The group as in a process that has asked no plugin yet."""
    monkeypatch.setattr(cli, "commands", type(cli.commands)(dict.fromkeys(VERBS)))


def test_a_plugin_adds_a_verb(package):
    package("greeter", HELLO)
    assert "\nCommands of plugins:\n  hello  Say hello.\n" in bench("--help").out
    said = bench("hello", "you")
    assert (said.code, said.out) == (3, "hello you\n")


def test_verbs_of_the_core_ask_no_plugin(package):
    package("greeter", HELLO)
    bench("list", "--help")
    assert "greeter_plugin" not in sys.modules


@pytest.mark.parametrize("code, told", [
    (HELLO.replace("def hello", "def run").replace("[hello]", "[run]"), "two plugins offer the verb 'run': benchbase and greeter-plugins"),
    (HELLO.replace("return [hello]", "raise OSError"), ""), ("import nothing_like_it", "")])
def test_a_plugin_that_gets_it_wrong_costs_its_own_verbs_only(package, code, told):
    package("greeter", code)
    said = bench("--help")
    assert said.code == 0 and "Commands of plugins" not in said.out and (told in said.err if told else not said.err)
    assert json.loads(bench("list", "methods", "--json").out)["methods"] and bench("hello", "you").code == 2


def test_commands_are_plain_click():
    with click.Context(cli) as ctx:
        assert all(isinstance(cli.get_command(ctx, verb), click.Command) for verb in VERBS)


def test_help_loads_no_plugin_that_has_no_verb(package):
    package("greeter", HELLO)
    package("silent", "import sys\nsys.silent_was_loaded = True\nfrom benchbase import hookimpl\n@hookimpl\ndef bench_suites():\n    return []\n")
    assert "hello" in bench("--help").out and not hasattr(sys, "silent_was_loaded")


def test_a_verb_that_its_source_does_not_tell_is_found_when_it_is_used(package):
    package("greeter", "from greeter_inside import *\n")
    package("inside", "")
    __import__("pathlib").Path(sys.path[0], "greeter_inside.py").write_text(HELLO)
    assert "hello" not in bench("--help").out and bench("hello", "you").out == "hello you\n"
