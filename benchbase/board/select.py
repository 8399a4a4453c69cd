"""Some rows of some tables, by patterns on their names."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from benchbase.board import words
from benchbase.board.row import Row
from benchbase.board.table import Table
from benchbase.errors import unknown

KINDS = ("dataset", "model", "method", "budget", "verdict")  # the fields of a Selection


@dataclass(frozen=True)
class Selection:
    """Patterns as shells have them, any of each kind; an empty tuple takes all.  method: the name, or the label with its parameters.
    verdict: what the row says, "provisional" and "no verdict" too."""

    dataset: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    method: tuple[str, ...] = ()
    budget: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()


def select(tables: Sequence[Table], wanted: Selection) -> list[Table]:
    """The tables with the rows that all patterns fit; tables without any are left out. Letters of shared runs keep their meaning.

    BenchError for a pattern that fits nothing at all: it is a mistake, not an empty answer.
    """
    rows = [(table, row) for table in tables for row in table.rows]
    for kind in KINDS:
        known = {name for table, row in rows for name in _names(kind, table, row)}
        for pattern in getattr(wanted, kind):
            if known and not any(fits(name, (pattern,)) for name in known):
                raise unknown(kind, pattern, known)
    kept = [replace(table, rows=tuple(row for row in table.rows if _wanted(wanted, table, row))) for table in tables]
    return [replace(table, links=tuple(link for link in table.links if link.letter in _letters(table.rows))) for table in kept if table.rows]


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether any pattern fits; a name is a pattern for itself, brackets and all.

    >>> fits("thinet[images=64]", ["thinet*"]), fits("a[b]", ["a[b]"]), fits("resnet20", ["resnet5?"])
    (True, True, False)
    """
    return not patterns or any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def _wanted(wanted: Selection, table: Table, row: Row) -> bool:
    return all(any(fits(name, getattr(wanted, kind)) for name in _names(kind, table, row)) for kind in KINDS)


def _names(kind: str, table: Table, row: Row) -> tuple[str, ...]:
    return {"dataset": (table.setting.dataset,), "model": (table.setting.model,), "method": (row.who.name, row.who.label),
            "budget": (row.goal.label,), "verdict": (words.says(row),)}[kind]


def _letters(rows: Iterable[Row]) -> set[str]:
    return {entry.link for row in rows for entry in row.entries}
