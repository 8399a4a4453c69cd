"""The one place where errors become lines on stderr and an exit code."""
from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import click

from benchbase.cli.output import err, flush, print_json
from benchbase.cli.signals import listening
from benchbase.errors import BenchError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
ASKED_WRONG = ("usage", "not_applicable")  # where no sweep makes a record of it, what cannot be done was asked wrongly
GOES_ON = "the same command goes on from there"


def guarded(args: Sequence[str] | None = None) -> int:
    """Run the command that `args` say; its exit code, whatever happens."""
    words = list(sys.argv[1:] if args is None else args)
    own = words[:words.index("--")] if "--" in words else words
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries are not for users; python -W shows them
    if not faulthandler.is_enabled():  # a crash in native code, of a plugin as a rule, then says in which line
        with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):  # a stderr that is no file
            faulthandler.enable()
    try:
        with listening():
            return attempt(lambda: _invoke(words), show="--traceback" in own, as_json="--json" in own)
    finally:
        flush()


def attempt(call: Callable[[], Any], show: bool = False, as_json: bool = False) -> int:
    """The exit code of `call`, which returns one or None. What goes wrong is told in two lines; with `show`, after its traceback."""
    error: BaseException
    try:
        return int(call() or DONE)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except BrokenPipeError:
        return DONE
    except (KeyboardInterrupt, click.Abort) as stop:
        error, what, todo, code = stop, f"interrupted{_why(stop)}", GOES_ON, INTERRUPTED
    except BenchError as wrong:
        error, what, todo, code = wrong, wrong.what, wrong.todo or "see `bench --help`", USAGE if wrong.kind in ASKED_WRONG else FAILED
    except click.ClickException as wrong:
        error, (what, todo), code = wrong, _usage(wrong), USAGE
    except Exception as bug:  # noqa: BLE001 -- the one place where a bug becomes two lines
        error, what, todo, code = bug, f"internal error: {type(bug).__name__}: {_line(str(bug))}".rstrip(": "), "--traceback shows where", FAILED
    if show:
        err("".join(traceback.format_exception(error)).rstrip())
    err(f"error: {_line(what)}" if code != INTERRUPTED else _line(what))
    err(_line(todo))
    if as_json:
        print_json({"error": {"what": _line(what), "todo": _line(todo)}, "exit": code})
    return code


def _invoke(words: list[str]) -> Any:
    from benchbase.cli.app import cli

    if "_BENCH_COMPLETE" in os.environ:
        return cli.main(words, prog_name="bench")
    with cli.make_context("bench", words) as context:
        return cli.invoke(context)


def _usage(error: click.ClickException) -> tuple[str, str]:
    """click's words for a wrong command, and where its usage stands."""
    context = getattr(error, "ctx", None)
    return error.format_message().rstrip("."), f"see `{context.command_path if context else 'bench'} --help`"


def _why(stop: BaseException) -> str:
    return f" ({stop.args[0]})" if isinstance(stop, KeyboardInterrupt) and stop.args else ""


def _line(text: str) -> str:
    return " ".join(text.split())
