"""Nothing is removed or overwritten: a board held against an earlier commit of its repository (gate 19)."""
from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from benchbase.board.build import sorted_out
from benchbase.board.finding import Finding
from benchbase.board.git import blobs, commit_of, contents
from benchbase.board.survey import Item
from benchbase.board.table import Table, tables
from benchbase.values.record import Failure, Record, parse

KEEP = "put it back as it was; a corrected record is a new one that names the old one's key in supersedes"


def earlier(version: Path, ref: str) -> dict[str, str]:
    """Path from the version's folder on -> object id, of every file that it had at a commit."""
    return blobs(version, commit_of(version, ref))


def tables_at(version: Path, ref: str) -> list[Table]:
    """The tables of the board as it was at a commit. BenchError for a record there that cannot be read."""
    names = {name: known for name, known in earlier(version, ref).items() if name.startswith("records/") and name.endswith(".json")}
    found: dict[type, list[Any]] = {Record: [], Failure: []}
    for name, raw in zip(sorted(names), contents(version, [names[name] for name in sorted(names)])):
        if PurePosixPath(name).parent.name == "failed":
            found[Failure].append(parse(raw, Failure, f"{name} at {ref}"))
        else:
            found[Record].append(parse(raw, Record, f"{name} at {ref}"))
    records, repeats = sorted_out(found[Record])
    return tables(records, found[Failure], repeats)


def unchanged(version: Path, before: dict[str, str], items: Sequence[Item]) -> Iterator[Finding]:
    """Records of the earlier board that are gone or differ, and that no record of their cell supersedes."""
    now = {item.file.partition("/")[2]: item for item in items}
    heirs = {(item.value.supersedes, item.folder) for item in items if isinstance(item.value, Record) and item.value.supersedes}
    for name, known in before.items():
        if not name.startswith("records/"):
            continue
        path, item = PurePosixPath(name), now.get(name)
        key, folder = path.name.partition(".")[0], path.parent.as_posix()
        if item is not None and object_id(item.raw, known) == known:
            continue
        if folder.endswith("/failed") or (key, folder) not in heirs:
            here = (version / name).exists()
            yield Finding(f"{version.name}/{name}", f"was {'changed' if here else 'removed'}, and no record of its cell supersedes it", KEEP)


def object_id(raw: bytes, like: str) -> str:
    """git's name for a file of these bytes, in the kind of digest that `like` is one of."""
    kind = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    return kind(b"blob %d\0" % len(raw) + raw).hexdigest()
