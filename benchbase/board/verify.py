"""Whether a leaderboard is what it says it is, told offline from its files alone: no network is built, nothing of it is run."""
from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase.board.build import as_derived, derived, records_of, sorted_out
from benchbase.board.checks import checked
from benchbase.board.finding import NOTE, Finding, ordered
from benchbase.board.history import earlier, object_id, unchanged
from benchbase.board.survey import Item, survey
from benchbase.board.together import agreed, notes

if TYPE_CHECKING:
    from benchbase.values.record import Failure, Record

DERIVED = ("README.md", "index.json", "index.html")
PAGE = 64 << 20  # bytes of a derived file
BUILD = "`bench leaderboard build` writes them; tables are not edited"
Recount = Callable[[list[Item]], Iterable[Finding]]


@dataclass(frozen=True)
class Report:
    """What was looked at, and what was found. records, reproductions, failures: how many files are sound enough to be read.
    findings: refusals first."""

    records: int = 0
    reproductions: int = 0
    failures: int = 0
    findings: tuple[Finding, ...] = ()
    items: tuple[Item, ...] = field(default=(), repr=False)

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings that the board is refused for."""
        return tuple(f for f in self.findings if f.wrong)

    def to_json(self) -> dict[str, Any]:
        """As the document of `bench leaderboard verify --json`."""
        return {"records": self.records, "reproductions": self.reproductions, "failures": self.failures, "ok": not self.wrong,
                "findings": [{"file": f.file, "reason": f.reason, "todo": f.todo, "level": f.level} for f in self.findings]}


def verify(leaderboard: str | Path, against: str | None = None, recount: Recount | None = None, tables: bool = True) -> Report:
    """Everything that is wrong with a leaderboard (DIR with its versions, or one version's folder).

    against: a commit of its repository; what the board held there must still be there.  recount: looks at the records in a way that needs
    networks.  tables: whether derived files are held against a rebuild.  Raises BenchError where there is no leaderboard or no such commit.
    """
    items: list[Item] = []
    findings: list[Finding] = []
    for version in versions(Path(leaderboard)):
        before = earlier(version, against) if against else None
        own, wrong = survey(version, frozenset(DERIVED))
        findings += [*wrong, *(f for item in own for f in checked(item)), *agreed(own)]
        if before is not None:
            findings += unchanged(version, before, own)
        if tables and not wrong:
            findings += rebuilt(version, own, before)
        items += own
    if recount is not None:
        findings += recount(items)
    return _report(items, findings)


def versions(leaderboard: Path) -> list[Path]:
    """The folders v1, v2, ... of a leaderboard that hold records; the folder itself where it is one of them."""
    found = sorted((p.parent for p in leaderboard.glob("v[0-9]*/records") if p.is_dir()), key=lambda p: (len(p.name), p.name))
    return found or [records_of(leaderboard).parent]


def rebuilt(version: Path, items: Iterable[Item], before: dict[str, str] | None = None) -> Iterator[Finding]:
    """Derived files that are not what the records give. One that is still as in the earlier commit waits for its rebuild, and is no finding."""
    records, repeats, failures = parted(items)
    texts = derived(records, repeats, failures)
    yield from notes(json.loads(texts["index.json"])["tables"])
    if before is None and not any((version / name).exists() for name in texts):
        yield Finding(version.name, "its tables have not been built", BUILD, NOTE)
        return
    for name in DERIVED:
        path = version / name
        if not path.is_file() or path.is_symlink() or path.stat().st_size > PAGE:
            if path.is_symlink() or path.exists():
                yield Finding(f"{version.name}/{name}", "is no plain file of a reasonable size", BUILD)
            elif name in texts and (before is None or name in before):
                yield Finding(f"{version.name}/{name}", "is missing", BUILD)
            continue
        raw = path.read_bytes()
        waits = before is not None and name in before and object_id(raw, before[name]) == before[name]
        if name not in texts:
            yield Finding(f"{version.name}/{name}", "is not derived from records", "take it away")
        elif not waits and not as_derived(name, raw, texts[name]):
            yield Finding(f"{version.name}/{name}", "is not what the records give", BUILD)


def parted(items: Iterable[Item]) -> tuple[list[Record], list[Record], list[Failure]]:
    """Records, reproductions and failures, as tables take them."""
    from benchbase.values.record import Record

    values = [item.value for item in items]
    return *sorted_out(v for v in values if isinstance(v, Record)), [v for v in values if not isinstance(v, Record)]


def _report(items: list[Item], findings: list[Finding]) -> Report:
    from benchbase.values.record import Record

    records = [item for item in items if isinstance(item.value, Record)]
    return Report(sum(not item.repeat for item in records), sum(bool(item.repeat) for item in records), len(items) - len(records),
                  tuple(ordered(findings)), tuple(items))
