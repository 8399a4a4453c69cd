"""The files of one version of a leaderboard: every one bounded, read and parsed, or named as what should not be there."""
from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from benchbase.board.clean import unclean
from benchbase.board.finding import Finding, Refused
from benchbase.errors import BenchError
from benchbase.values.bounded import json_of
from benchbase.values.written import ASIDE

if TYPE_CHECKING:
    from benchbase.values.record import Failure, Record

NAME = re.compile(r"([0-9a-f]{64})(?:\.([1-9]\d{0,4}))?\.json")
MAX_BYTES = 4 << 20  # of a record; 50,000 test images and 20,000 kept channels take a tenth of it
MAX_FILES = 1_000_000
REWRITE = "restore the file as `bench run` wrote it, or take it away"


@dataclass(frozen=True)
class Item:
    """A record or failure in its file.  file: its path from the leaderboard's folder on.  repeat: n of <key>.<n>.json, 0 of <key>.json."""

    file: str
    value: Record | Failure
    repeat: int
    raw: bytes

    @property
    def folder(self) -> str:
        """Where it lies, from the version's folder on."""
        return PurePosixPath(self.file).parent.as_posix().partition("/")[2]


def survey(version: Path, names: frozenset[str]) -> tuple[list[Item], list[Finding]]:
    """The records and failures below version/records, in the order of their paths, and what is wrong with any file.

    names: the files that may stand beside the records.  No file is opened that is a link, no plain file, or too large.
    """
    items, findings = [], [Finding(f"{version.name}/{path.name}", "is no file of a leaderboard", "take it away")
                           for path in sorted(version.iterdir()) if path.name not in names | {"records"}]
    for path in _files(version / "records", version, findings):
        name = f"{version.name}/{path.relative_to(version).as_posix()}"
        try:
            items.append(_item(path, name))
        except Refused as wrong:
            findings.append(Finding(name, wrong.reason, wrong.todo))
    return items, findings


def _files(records: Path, version: Path, findings: list[Finding]) -> Iterator[Path]:
    """The plain files below `records`, by path; findings for links and empty folders."""
    seen = 0
    for folder, folders, files in os.walk(records):
        folders.sort()
        here = Path(folder)
        for name in [f for f in folders if (here / f).is_symlink()]:
            folders.remove(name)
            findings.append(Finding(f"{version.name}/{(here / name).relative_to(version).as_posix()}", "is a link", "put the folder itself there"))
        if not folders and not files and here != records:
            findings.append(Finding(f"{version.name}/{here.relative_to(version).as_posix()}", "is an empty folder", "take it away"))
        for name in sorted(files):
            seen += 1
            if seen > MAX_FILES:
                raise BenchError(f"{records} has more than {MAX_FILES:,} files", "this is no leaderboard: check the path")
            yield here / name


def _item(path: Path, name: str) -> Item:
    """The record in a file. Raises Refused with the first reason why it is none."""
    from benchbase.values.record import Failure, Record, parse

    if ASIDE.fullmatch(path.name):
        raise Refused("is a record half written, or being written", "`bench leaderboard build` takes it away when it is an hour old")
    match = NAME.fullmatch(path.name)
    if match is None:
        raise Refused("is no record by its name", "records are <key>.json, as `bench run` writes them; take other files away")
    raw = _bounded(path)
    plain = _plain(raw)
    try:
        value = parse(raw, Failure, "") if path.parent.name == "failed" else parse(raw, Record, "")
    except BenchError as error:
        raise Refused(error.what.removeprefix(": "), REWRITE) from None
    if why := unclean(plain, raw):
        raise Refused(why, "take out what names a person, a machine or a folder, and characters that cannot be seen; run the cell again")
    return Item(name, value, int(match[2] or 0), raw)


def _bounded(path: Path) -> bytes:
    """The bytes of a plain file that is not too large; nothing else is opened."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise Refused("is a link" if stat.S_ISLNK(found.st_mode) else "is no plain file", "put the record itself there")
        if found.st_size > MAX_BYTES:
            raise Refused(f"is larger than {MAX_BYTES:,} bytes", "no record is: take it away")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror or error}", "check its permissions") from None


def _plain(raw: bytes) -> Any:
    """The plain data, in which no key stands twice: readers would disagree which of the two counts."""
    try:
        return json_of(raw, pairs=_once, finite=False)  # a number that is none has a reason of its own
    except Refused:
        raise
    except ValueError as error:
        raise Refused("is nested too deeply" if "deeply" in str(error) else "is not JSON", REWRITE) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("a key stands twice in one object", REWRITE)
    return found
