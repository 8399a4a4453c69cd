"""Runs that several entries share: equal digests of the final network are one training, and one number."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from benchbase.board.entry import OWN_BASE, UNPRUNED, order_of
from benchbase.board.row import Row


@dataclass(frozen=True)
class Link:
    """letter: what marks the entries.  rows: labels of the rows that share.  protocols: the columns in which they do.  whole: whether all
    seeds are shared, not some."""

    letter: str
    rows: tuple[str, ...]
    protocols: tuple[str, ...]
    whole: bool = True


def linked(rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Link, ...]]:
    """The rows with a letter on every entry that shares runs, and what the letters mean.

    Entries of the same set of rows have one letter. The unpruned network is shared by all and has none.
    """
    owners: dict[str, set[tuple[int, str]]] = {}
    for i, row in enumerate(rows):
        for entry in row.entries:
            if entry.protocol not in (UNPRUNED, OWN_BASE):
                for _, final in entry.runs:
                    owners.setdefault(final, set()).add((i, entry.protocol))
    names, marks = _letters(), dict[tuple[int, str], str]()
    links: dict[tuple[object, ...], Link] = {}
    for members in _groups(owners):
        who = tuple(sorted({i for i, _ in members}))
        meaning = who if len(who) > 1 else members
        link = links.get(meaning) or Link(next(names), tuple(rows[i].label for i in who), ())
        protocols = tuple(sorted({*link.protocols, *(p for _, p in members)}, key=order_of))
        links[meaning] = replace(link, protocols=protocols, whole=link.whole and _whole(rows, members))
        marks.update(dict.fromkeys(members, link.letter))
    marked = [replace(row, entries=tuple(replace(e, link=marks.get((i, e.protocol), "")) for e in row.entries)) for i, row in enumerate(rows)]
    return tuple(marked), tuple(links.values())


def _groups(owners: dict[str, set[tuple[int, str]]]) -> list[tuple[tuple[int, str], ...]]:
    """Sets of entries that are connected by runs, two or more each, in the order of rows."""
    root: dict[tuple[int, str], tuple[int, str]] = {}

    def find(member: tuple[int, str]) -> tuple[int, str]:
        while root.setdefault(member, member) != member:
            root[member] = root[root[member]]
            member = root[member]
        return member

    for members in owners.values():
        first = find(min(members))
        for member in members:
            root[find(member)] = first
    groups: dict[tuple[int, str], set[tuple[int, str]]] = {}
    for member in root:
        groups.setdefault(find(member), set()).add(member)
    return sorted(tuple(sorted(g)) for g in groups.values() if len(g) > 1)


def _whole(rows: Sequence[Row], members: Sequence[tuple[int, str]]) -> bool:
    runs = {entry.runs for i, protocol in members if (entry := rows[i].entry(protocol))}
    return len(runs) == 1


def _letters() -> Iterator[str]:
    """a, b, ..., z, aa, ab, ..."""
    for i in count(1):
        text = ""
        while i:
            i, rest = divmod(i - 1, 26)
            text = chr(97 + rest) + text
        yield text
