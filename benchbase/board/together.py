"""What the records of a board must satisfy together: one data set, one network, one run say the same wherever they stand."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from benchbase.board.finding import NOTE, Finding
from benchbase.board.survey import Item
from benchbase.values.record import Record

SAME_WEIGHTS = 0.5  # points of top-1 by which other processors may judge the same weights
FLAGS = ("seeds ", "asked to remove")  # how those that are told as notes begin
RERUN = "run the cell again with `bench run`; records are not edited"


def agreed(items: Sequence[Item]) -> list[Finding]:
    """Every contradiction between records; `items` in the order of their paths."""
    records = [(item, item.value) for item in items if isinstance(item.value, Record)]
    parts = (*(_same(records, *rule) for rule in RULES), _close(records), _shared(records), _superseding(records), _numbered(items), _copies(items))
    return [finding for part in parts for finding in part]


Rule = tuple[str, Callable[[Record], Hashable], Callable[[Record], Hashable]]
RULES: tuple[Rule, ...] = (
    ("test_images is {0}, {1} in others of this data set", lambda r: r.dataset.fingerprint, lambda r: r.test_images),
    ("classes and shape are {0}, {1} in others of this data set", lambda r: r.dataset.fingerprint,
     lambda r: (r.architecture.num_classes, *r.architecture.shape)),
    ("the unpruned network has {0} parameters and multiply-adds, {1} in others of this model",
     lambda r: (r.dataset.fingerprint, r.model), lambda r: (r.unpruned.params, r.unpruned.macs)),
    ("the network has {0} parameters and multiply-adds, {1} in others of its architecture",
     lambda r: (r.dataset.fingerprint, r.digests.architecture), lambda r: (r.metrics.params, r.metrics.macs)),
    ("an epoch has {0} images, {1} in others of this data set", lambda r: r.ledger.retrain.epochs and r.dataset.fingerprint,
     lambda r: round(r.ledger.retrain.images / r.ledger.retrain.epochs) if r.ledger.retrain.epochs else 0))


def _same(records: Sequence[tuple[Item, Record]], text: str, group: Callable[[Record], Hashable],
          value: Callable[[Record], Hashable]) -> Iterator[Finding]:
    """A value that all records of a group must have; those that differ from most of them are named."""
    groups: dict[Hashable, dict[Hashable, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item, r in records:
        groups[group(r)][value(r)].append(item)
    for values in groups.values():
        if len(values) > 1:
            usual = max(values, key=lambda v: len(values[v]))
            for odd in values.keys() - {usual}:
                yield from (Finding(item.file, text.format(_said(odd), _said(usual)), RERUN) for item in values[odd])


def _said(value: Any) -> str:
    return " and ".join(f"{v:,}" for v in value) if isinstance(value, tuple) else f"{value:,}"


def _close(records: Sequence[tuple[Item, Record]]) -> Iterator[Finding]:
    """The same weights have the same accuracy, up to what processors differ in (gate 1)."""
    seen: dict[Hashable, tuple[Item, float]] = {}
    for item, r in records:
        nets = (("final network", r.digests.final, r.metrics.top1), ("base", r.digests.plain, r.unpruned.top1))
        for name, weights, top1 in nets:
            first, other = seen.setdefault((r.dataset.fingerprint, weights), (item, top1))
            if abs(other - top1) > SAME_WEIGHTS:
                where = PurePosixPath(first.file).name[:12]
                yield Finding(item.file, f"the {name} {weights[:12]} has top-1 {top1:.2f}, and {other:.2f} in {where}", RERUN)


def _shared(records: Sequence[tuple[Item, Record]]) -> Iterator[Finding]:
    """Records that are said to share a training have one final network. A link may be one-sided only where the other record is older."""
    finals: dict[str, set[str]] = defaultdict(set)
    links: dict[str, set[str]] = defaultdict(set)
    started: dict[str, str] = {}
    for _, r in records:
        finals[r.key].add(r.digests.final)
        links[r.key].update(r.shared_with)
        started[r.key] = max(started.get(r.key, ""), r.started)
    for item, r in records:
        for other in r.shared_with:
            if other == r.key:
                yield Finding(item.file, "shared_with names the record itself", RERUN)
            elif other in finals and r.digests.final not in finals[other]:
                yield Finding(item.file, f"shared_with names {other[:12]}, whose final network is another", RERUN)
            elif other in finals and r.key not in links[other] and started[other] > r.started:
                yield Finding(item.file, f"shared_with names {other[:12]}, which is younger and does not name this one", RERUN)


def _superseding(records: Sequence[tuple[Item, Record]]) -> Iterator[Finding]:
    """A correction stands for a record of its own cell, never for another's."""
    cells = {r.key: _cell(r) for _, r in records}
    for item, r in records:
        if r.supersedes and r.supersedes in cells and cells[r.supersedes] != _cell(r):
            yield Finding(item.file, f"supersedes {r.supersedes[:12]}, a record of another cell",
                          "a correction names the record of the same cell that it stands for")


def _cell(r: Record) -> tuple[Any, ...]:
    from benchbase.board.labels import budget_key

    return r.dataset.name, r.model, r.method.name, budget_key(r.budget), r.protocol, r.seed


def _numbered(items: Sequence[Item]) -> Iterator[Finding]:
    """<key>.<n>.json follows on <key>.json and those before it: a gap is a file that was taken away."""
    there: dict[tuple[str, str], set[int]] = defaultdict(set)
    for item in items:
        there[item.folder, item.value.key].add(item.repeat)
    for item in items:
        before = set(range(item.repeat)) - there[item.folder, item.value.key]
        if before:
            first = min(before)
            name = f"{item.value.key[:12]}….{first}.json" if first else f"{item.value.key[:12]}….json"
            yield Finding(item.file, f"{name} before it is missing", "put it back, or number this one without a gap")


def _copies(items: Sequence[Item]) -> Iterator[Finding]:
    """A reproduction is a run of its own, not a copy."""
    first: dict[tuple[str, Any], Item] = {}
    for item in sorted(items, key=lambda i: (i.value.key, i.repeat)):
        other = first.setdefault((item.value.key, (item.value.started, getattr(item.value, "seconds", None), item.value.protocol)), item)
        if other is not item:
            yield Finding(item.file, f"repeats {PurePosixPath(other.file).name} to the second: a copy is no reproduction",
                          "take it away; `bench reproduce` makes one")


def notes(tables: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """What tables flag and nobody can mend by editing: seeds with gaps, missed budgets (gates 6 and 15). tables: as in index.json."""
    for table in tables:
        for row in table["rows"]:
            for flag in row["flags"]:
                if flag.startswith(FLAGS):
                    yield Finding(f"v{table['protocol_version']}/{row['folder']}", f"{row['label']}: {flag}",
                                  "nothing has to be mended; read the row with care", NOTE)
