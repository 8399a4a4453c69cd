"""The two sides of a comparison: which records a path, a method, a budget or both of them name."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase.board.labels import budget_labels, method_key, whos
from benchbase.errors import BenchError, unknown

if TYPE_CHECKING:
    from benchbase.values.record import Record

SET, METHOD, BUDGET, CELL = "record set", "method", "budget", "method@budget"


@dataclass(frozen=True)
class Told:
    """A record with what tables call its method and its budget."""

    record: Record
    method: str
    budget: str


@dataclass(frozen=True)
class Side:
    """One side.  name: as it was asked for.  kind: SET, METHOD, BUDGET or CELL: what the two sides may differ in."""

    name: str
    kind: str
    records: tuple[Told, ...]


def told(records: Iterable[Record], defaults: Mapping[str, Mapping[str, Any]] | None = None) -> list[Told]:
    """The records with their labels; of several of one key the last, as in `load`."""
    found = list({r.key: r for r in records}.values())
    who = whos([r.method for r in found], defaults or {})
    return [Told(r, who[method_key(r.method)].label, label) for r, label in zip(found, budget_labels([r.budget for r in found]))]


def is_bare(text: str) -> bool:
    """Whether `text` could be a name as well as a path.

    >>> is_bare("mine"), is_bare("./mine"), is_bare("mine/")
    (True, False, False)
    """
    return "/" not in text and "\\" not in text


def side(text: str, board: Sequence[Told], defaults: Mapping[str, Mapping[str, Any]] | None = None) -> Side:
    """What `text` names: what the records of `board` call so, a method at a budget before a method before a budget; or a file or folder of
    records. A path that exists is one, unless it is a bare word that the board knows as well: `./mine` is the folder. BenchError where
    nothing is called so."""
    from benchbase.values.record import load_records

    path = Path(text)
    if path.exists() and not (is_bare(text) and any(text in (t.method, t.record.method.name, t.budget, f"{t.method}@{t.budget}") for t in board)):
        found = told(load_records(path), defaults)
        if not found:
            raise BenchError(f"there are no records in {text}", "name a leaderboard, a folder of records or one record")
        return Side(text, SET, tuple(found))
    if len(path.parts) > 1 or path.suffix == ".json":
        raise BenchError(f"there are no records at {text}", "name a leaderboard, a folder of records or one record")
    method, at, budget = text.partition("@")
    for kind, name, share in ((CELL, method, budget), (METHOD, text, None), (BUDGET, None, text)):
        here = [t for t in board if share is None or t.budget == share] if at or kind != CELL else []
        for bare in (False, True):  # with its parameters, then by the bare name for all of them
            if some := tuple(t for t in here if name is None or (t.record.method.name if bare else t.method) == name):
                return Side(text, kind, some)
    if not board:
        raise BenchError(f"nothing is called {text}: the leaderboard has no records", "name one with --leaderboard, or give two folders of records")
    known = sorted({name for t in board for name in (t.method, t.budget, f"{t.method}@{t.budget}")})
    raise unknown("method, budget or folder", text, known)
