"""What is new on a board: the table of a pull request."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchbase.board import words
from benchbase.board.front import Standing, standing
from benchbase.board.markdown import grid
from benchbase.board.row import Row
from benchbase.board.table import Table
from benchbase.values.digest import digest
from benchbase.values.escape import markdown as md

MOST = 100  # rows that are listed


@dataclass(frozen=True)
class Change:
    """A row that is new or says something else.  before: as it was, None for a new one.  records: how many it gained.
    standing: on the Pareto front or below it.  displaced: rows that were on the front before, and lie below this one now."""

    table: Table
    row: Row
    before: Row | None
    records: int
    standing: Standing | None
    displaced: tuple[Row, ...] = ()


def changes(before: Sequence[Table], after: Sequence[Table]) -> list[Change]:
    """The rows of `after` that `before` does not have so, in their order."""
    old = {key: (table, row) for table in before for key, row in _keyed(table)}
    found = []
    for table in after:
        for key, row in _keyed(table):
            was = old[key][1] if key in old else None
            if was is None or _said(was) != _said(row):
                place = standing(row, table.rows)
                found.append(Change(table, row, was, _count(row) - (_count(was) if was else 0), place, _displaced(row, place, table, old)))
    return found


def to_markdown(found: Sequence[Change]) -> str:
    """The changes as Markdown: a table, or a sentence where there are none."""
    if not found:
        return "No row changes."
    head = ["table", "method", "budget", "records", "top-1", "verdict", "rank", "accuracy against MACs", "tier"]
    lines = [grid(head, (_cells(change) for change in found[:MOST]), right=9)]
    if len(found) > MOST:
        lines.append(f"and {len(found) - MOST} more rows.")
    return "\n\n".join(lines)


def _cells(change: Change) -> list[str]:
    row = change.row
    what = f"{change.records:+d}" if change.before else f"new, {change.records}"
    return [md(f"{change.table.setting.dataset} · {change.table.setting.model}"), md(row.who.label) + ("" if row.who.published else " †"),
            md(row.goal.label), what, _accuracies(change), _verdict(change), _ranks(change), _front(change), str(row.tier)]


def _accuracies(change: Change) -> str:
    by = change.standing.protocol if change.standing else ""
    entry = change.row.entry(by)
    return f"{by} {' '.join(words.accuracy(entry)).strip()} (n {entry.n})" if entry else words.NOTHING


def _verdict(change: Change) -> str:
    now, was = words.says(change.row), words.says(change.before) if change.before else ""
    return now if not was or was == now else f"{now} (was {was})"


def _ranks(change: Change) -> str:
    """The row's rank under the protocol that it is compared by, and the one it had."""
    by = change.standing.protocol if change.standing else ""
    now, was = words.rank(change.row, by), words.rank(change.before, by) if change.before else words.NOTHING
    return now if was in (now, words.NOTHING) else f"{now} (was {was})"


def _front(change: Change) -> str:
    place = change.standing
    if place is None:
        return words.NOTHING
    at = f"{place.top1:.2f} at {words.si(place.macs)}"
    if place.above is not None:
        return f"{at}, below {md(place.above.label)}"
    gone = f"; above {', '.join(md(row.label) for row in change.displaced[:3])} now" if change.displaced else ""
    return f"{at}, on the front{gone}"


def _displaced(row: Row, place: Standing | None, table: Table, old: dict[str, tuple[Table, Row]]) -> tuple[Row, ...]:
    """Rows that stood on the front of the earlier board, and that this one dominates."""
    if place is None or place.above is not None:
        return ()
    found = []
    for key, other in _keyed(table):
        now = standing(other, table.rows, place.protocol) if key in old and other is not row else None
        if now and now.above is row and (was := standing(old[key][1], old[key][0].rows, place.protocol)) and was.above is None:
            found.append(other)
    return tuple(found)


def _keyed(table: Table) -> Iterator[tuple[str, Row]]:
    """(what a row is, the row): what its records asked for, whatever it is called."""
    s = table.setting
    for row in table.rows:
        who = row.who
        yield digest([s.protocol_version, s.dataset, s.fingerprint, s.model, dict(s.recipe), dict(s.finetune), who.name, who.version,
                      [list(p) for p in who.params], who.source, row.goal.label]), row


def _said(row: Row) -> object:
    return row.entries, row.missing, row.repeats, row.verdict, row.tier


def _count(row: Row) -> int:
    """Records and reproductions of a row."""
    return row.tier.records + row.repeats
