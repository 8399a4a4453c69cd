"""The one error that users see: what went wrong, and what to do instead."""
from __future__ import annotations

import difflib
from collections.abc import Iterable

METHOD_FAULT = "this is an error of the method: `bench check` says more where it is yours; else tell its author"


def first_line(error: BaseException) -> str:
    """The first line of what an error says, "" where it says nothing, or where saying it fails."""
    try:
        lines = str(error).splitlines()
    except Exception:  # noqa: BLE001 -- a plugin's error is a plugin's code
        return ""
    return next((line.strip() for line in lines if line.strip()), "")


def raised(error: BaseException) -> str:
    """An error in one line: its type, and the first line of what it says, if it says anything."""
    said = first_line(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


class BenchError(Exception):
    """Something the user or a plugin can mend, printed as two lines and never as a traceback.

    what: one line that says what went wrong.  todo: one line that says what to do instead ("" when nothing can be said).
    kind: "usage" for a wrong command or file (exit 2); the kinds of a failed cell otherwise: "method_error", "infra_error",
    "oom", "diverged", "timeout", "not_applicable".  where: of a failed stage, the last calls before the error.
    """

    def __init__(self, what: str, todo: str = "", kind: str = "usage", where: str = "") -> None:
        super().__init__(what, todo, kind, where)
        self.what, self.todo, self.kind, self.where = what, todo, kind, where

    def __str__(self) -> str:
        return f"{self.what}\n{self.todo}" if self.todo else self.what


def unknown(noun: str, name: str, known: Iterable[str], todo: str = "") -> BenchError:
    """The error for a name that is not there, with near misses first.

    >>> print(unknown("method", "thinnet", ["l1-norm", "thinet"]))
    unknown method 'thinnet'
    did you mean 'thinet'? known: l1-norm, thinet
    """
    names, name = sorted(known), str(name)[:200]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    listed = ", ".join(names[:40]) + (", ..." if len(names) > 40 else "")
    return BenchError(f"unknown {noun} {name!r}", todo or f"{hint}known: {listed}")
