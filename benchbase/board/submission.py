"""Records on their way to a board: which are new there, under which names, and which may not go."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchbase.board.finding import Finding
from benchbase.board.survey import Item
from benchbase.values.digest import digest
from benchbase.values.record import Record

PUBLISH = "publish the method as a package (`bench new method` makes one), install it and run the cell again; or submit a folder without it"


@dataclass(frozen=True)
class Copy:
    """A file that goes to the board.  target: its path there, from the leaderboard's folder on."""

    item: Item
    target: str


def copies(items: Sequence[Item], board: Path) -> list[Copy]:
    """The files that the board does not have, each under a name that is free there: of a key that it has, as the next reproduction."""
    taken: dict[str, set[str]] = {}
    found = []
    for item in sorted(items, key=lambda i: (PurePosixPath(i.file).parent.as_posix(), i.value.key, i.repeat)):
        parent = PurePosixPath(item.file).parent.as_posix()
        if parent not in taken:
            taken[parent] = {p.name for p in (board / parent).glob("*.json")} if (board / parent).is_dir() else set()
        own = [name for name in taken[parent] if re.fullmatch(rf"{item.value.key}(\.\d+)?\.json", name)]
        if any((board / parent / name).is_file() and (board / parent / name).read_bytes() == item.raw for name in own):
            continue
        name = next(name for n in range(len(own) + 1) if (name := f"{item.value.key}{f'.{n}' if n else ''}.json") not in own)
        taken[parent].add(name)
        found.append(Copy(item, f"{parent}/{name}"))
    return found


def unpublished(items: Sequence[Item]) -> list[Finding]:
    """Findings for records of methods that nobody else can install."""
    return [Finding(item.file, f"{item.value.method.name} is not published: it was run from a file", PUBLISH)
            for item in items if item.value.method.distribution is None]


def branch_of(found: Sequence[Copy]) -> str:
    """What the branch is called: the same for the same files."""
    return f"records-{digest(sorted([c.target, c.item.raw.decode()] for c in found))[:12]}"


def message_of(found: Sequence[Copy]) -> str:
    """What the commit says."""
    records = [c.item.value for c in found if isinstance(c.item.value, Record)]
    told = [(v.method.name, v.model, v.dataset.name) for v in (c.item.value for c in found)]
    names = [sorted(set(part)) for part in zip(*told)]
    listed = [", ".join(some[:4]) + (", ..." if len(some) > 4 else "") for some in names]
    lost = f" and {len(found) - len(records)} failed cells" if len(found) > len(records) else ""
    return f"{len(records)} records{lost}: {listed[0]} on {listed[1]}, {listed[2]}"
