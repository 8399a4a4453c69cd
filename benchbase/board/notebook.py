"""The tables of records in a notebook, where they show themselves."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from benchbase.board import words
from benchbase.board.table import Table
from benchbase.board.table import tables as made
from benchbase.values.results import html_table

if TYPE_CHECKING:
    from benchbase.values.record import Record


@dataclass(frozen=True, repr=False)
class Tables(Sequence[Table]):
    """Tables of records, one a data set, model and recipe."""

    tables: tuple[Table, ...]

    @overload
    def __getitem__(self, index: int) -> Table: ...
    @overload
    def __getitem__(self, index: slice) -> Tables: ...
    def __getitem__(self, index: int | slice) -> Table | Tables:
        return Tables(self.tables[index]) if isinstance(index, slice) else self.tables[index]

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def __repr__(self) -> str:
        from rich.console import Console

        from benchbase.board.text import render

        console = Console(width=100, color_system=None)
        with console.capture() as captured:
            console.print(render(self.tables))
        return captured.get().rstrip()

    def _repr_html_(self) -> str:
        return "\n".join(map(html_of, self.tables)) or "<p>There are no records yet: bench run writes some.</p>"


def tables(records: str | Path | Iterable[Record]) -> Tables:
    """The tables of a leaderboard, a folder, a file or a list of records, as `bench leaderboard show` prints them.

    Raises BenchError for a place without records and for a file that is none.
    """
    if isinstance(records, (str, Path)):
        from benchbase.board.build import load

        return Tables(tuple(load(records)))
    return Tables(tuple(made(records)))


def html_of(table: Table) -> str:
    """One table as HTML: a row a method and budget, a column a protocol, then the gap on equal compute, or the paper's, and the verdict."""
    s, protocols = table.setting, [p for p in table.protocols if any((e := row.entry(p)) and e.mean is not None for row in table.rows)]
    rows = []
    for row in table.rows:
        gap = row.gap("matched") or row.gap("paper")
        size = [words.many(n) for n in (row.size.nonzero, row.size.macs_nonzero)] if row.size else [words.NOTHING] * 2
        rows.append([row.who.label, row.goal.label, *size, *(" ".join(words.accuracy(row.entry(p))) for p in protocols),
                     f"{words.gap_name(gap)}: {words.interval(gap.interval)}" if gap else words.NOTHING, words.says(row)])
    head = ["method", "removed", "parameters", "multiply-adds", *protocols, "gap, 95 %", words.QUESTION]
    return html_table(head, rows, f"{s.dataset} · {s.model}: top-1 in percent, mean ± sample deviation over seeds. {words.base(table)}")
