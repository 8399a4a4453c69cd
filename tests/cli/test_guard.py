from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from benchbase.cli.guard import attempt
from benchbase.errors import BenchError

from .conftest import bench, environment


def raising(error):
    def call():
        raise error
    return call


@pytest.mark.parametrize("error, code, what, todo", [
    (BenchError("no such thing", "take another"), 2, "error: no such thing", "take another"),
    (BenchError("no such thing"), 2, "error: no such thing", "see `bench --help`"),
    (BenchError("two\nlines\t of it", "and\nmore"), 2, "error: two lines of it", "and more"),
    (BenchError("it broke", "mend it", "method_error"), 1, "error: it broke", "mend it"),
    (BenchError("out of reach", "ask for less", "not_applicable"), 2, "error: out of reach", "ask for less"),
    (BenchError("no memory", "buy some", "oom"), 1, "error: no memory", "buy some"),
    (click.UsageError("no such option."), 2, "error: no such option", "see `bench --help`"),
    (KeyboardInterrupt(), 130, "interrupted", "the same command goes on from there"),
    (KeyboardInterrupt("SIGTERM"), 130, "interrupted (SIGTERM)", "the same command goes on from there"),
    (click.Abort(), 130, "interrupted", "the same command goes on from there"),
    (ValueError("of\nno use"), 1, "error: internal error: ValueError: of no use", "--traceback shows where"),
    (AssertionError(), 1, "error: internal error: AssertionError", "--traceback shows where")])
def test_errors_are_two_lines_and_a_code(capsys, error, code, what, todo):
    assert attempt(raising(error)) == code
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines() == [what, todo]
    assert attempt(raising(error), as_json=True) == code
    assert json.loads(capsys.readouterr().out) == {"error": {"what": what.removeprefix("error: "), "todo": todo}, "exit": code}


def test_tracebacks_only_where_they_are_asked_for(capsys):
    assert attempt(raising(ValueError("x")), show=True) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("Traceback") and said[-2:] == ["error: internal error: ValueError: x", "--traceback shows where"]
    assert "Traceback" in bench("run", "--traceback").err and "Traceback" not in bench("run").err and "Traceback" in bench("--traceback", "run").err


def test_a_command_says_its_code():
    assert (attempt(lambda: None), attempt(lambda: 0), attempt(lambda: 1), attempt(raising(click.exceptions.Exit(3)))) == (0, 0, 1, 3)


def test_a_wrong_command_with_json_is_a_document():
    said = bench("run", "-m", "thinnet", "--json")
    assert said.code == 2 and json.loads(said.out)["error"]["what"] == "unknown method 'thinnet'" and len(said.lines) == 2
    assert json.loads(bench("list", "--json", "--nope").out)["exit"] == 2


def test_what_stands_after_two_dashes_is_no_option():
    assert bench("run", "--", "--json").out == ""


@pytest.mark.parametrize("args", [["list"], ["--help"], ["show", "thinet", "--json"]])
def test_a_reader_that_goes_away_is_no_error(args):
    command = subprocess.Popen([sys.executable, "-c", "import sys, time; from benchbase.cli import main; time.sleep(0.2); sys.exit(main())", *args],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    command.stdout.close()
    assert command.stderr.read() == b"" and command.wait() == 0


def test_a_crash_in_native_code_says_where(tmp_path):
    """The command cannot outlive it; whoever wrote the line can."""
    script = tmp_path / "mine.py"
    script.write_text("import ctypes\nfrom benchbase.cli import guard, main\n\ndef select(words):\n    ctypes.string_at(8)\n\n"
                      "guard._invoke = select\nmain([])\n")
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment())
    assert ended.returncode < 0 and "Segmentation fault" in ended.stderr and 'mine.py", line 5 in select' in ended.stderr
