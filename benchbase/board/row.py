"""One row of a table: a method, with its parameters, at a budget."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchbase.board.entry import Entry, Gap, Missing, entries_of, gaps_of
from benchbase.board.stats import Spread, spread
from benchbase.board.tier import Tier
from benchbase.board.verdict import Verdict
from benchbase.values.cost import Cost

if TYPE_CHECKING:
    from benchbase.board.detail import Detail
    from benchbase.board.ranks import Rank
    from benchbase.values.record import Failure, Record

STRUCTURED, WEIGHTS = "structured", "weights"  # channels and blocks, or single weights: never ranked together
TOLERANCE = 0.02  # between the share asked and the share that came of it


@dataclass(frozen=True)
class Who:
    """A method as rows name it.  label: its name and the parameters that tell it from others.  params: all of them.  distribution: the
    package it comes from with its version, "" for a file, which is unpublished.  source: sha256 of that file."""

    label: str
    name: str
    version: int
    params: tuple[tuple[str, Any], ...] = ()
    distribution: str = ""
    source: str = ""

    @property
    def published(self) -> bool:
        """Whether others can install it."""
        return bool(self.distribution)


@dataclass(frozen=True)
class Goal:
    """A budget.  unit: what is counted ("channels", "weights", "macs", "params"), "" where layers are named one by one.  asked: the share to
    remove.  achieved: the share that went, over seeds; None where nothing says so."""

    label: str
    unit: str = ""
    asked: float | None = None
    achieved: Spread | None = None
    exact: bool = True

    @property
    def missed(self) -> bool:
        """Whether a seed is further from what was asked than the tolerance. Shares of other things than those asked are not held to it."""
        if self.asked is None or self.achieved is None or not self.exact:
            return False
        return max(self.achieved.high - self.asked, self.asked - self.achieved.low) > TOLERANCE + 1e-9


@dataclass(frozen=True)
class Size:
    """What is left, over seeds, and the unpruned network's cost. Weight rows count what is not zero."""

    params: Spread
    macs: Spread
    nonzero: Spread
    macs_nonzero: Spread
    dense: Cost
    kind: str = STRUCTURED

    @property
    def compression(self) -> float | None:
        """Parameters of the unpruned network over those left."""
        left = self.nonzero if self.kind == WEIGHTS else self.params
        return self.dense.params / left.mean if left.mean else None

    @property
    def speedup(self) -> float | None:
        """Multiply-adds of the unpruned network over those left: what arithmetic allows, not a time."""
        left = self.macs_nonzero if self.kind == WEIGHTS else self.macs
        return self.dense.macs / left.mean if left.mean else None


@dataclass(frozen=True)
class Row:
    """seeds: all that were tried.  missing: those that came to nothing, and where.  flags: what a reader must know, in words.
    repeats: reproductions by others, which are no further seeds.  folder: where its records are, from the protocol version's folder on.
    detail: what its card tells.  point: the common operating point that it lies at.  ranks: among the rows there; set by its table.
    tier: how far its records have been checked."""

    who: Who
    goal: Goal
    size: Size | None
    entries: tuple[Entry, ...]
    gaps: tuple[Gap, ...] = ()
    verdict: Verdict = field(default_factory=Verdict)
    seeds: tuple[int, ...] = ()
    missing: tuple[Missing, ...] = ()
    flags: tuple[str, ...] = ()
    repeats: int = 0
    folder: str = ""
    detail: Detail | None = None
    tier: Tier = Tier()
    point: int | None = None
    ranks: tuple[Rank, ...] = ()

    @property
    def kind(self) -> str:
        """"structured" or "weights"; structured where nothing came to a network."""
        return self.size.kind if self.size else STRUCTURED

    @property
    def label(self) -> str:
        """Method and budget."""
        return f"{self.who.label} {self.goal.label}"

    def entry(self, protocol: str) -> Entry | None:
        """The entry of a protocol, if the row has one."""
        return next((e for e in self.entries if e.protocol == protocol), None)

    def gap(self, name: str) -> Gap | None:
        """The gap of a name, if both of its sides are there."""
        return next((g for g in self.gaps if g.name == name), None)

    @property
    def lost(self) -> dict[str, int]:
        """Kind of failure -> seeds that ended so."""
        seen = {(m.kind, m.seed) for m in self.missing}
        return {kind: sum(k == kind for k, _ in seen) for kind in sorted({k for k, _ in seen})}


@dataclass(frozen=True)
class Bag:
    """The records of one row, before anything is made of them.  repeats: reproductions of them."""

    records: list[Record] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    repeats: list[Record] = field(default_factory=list)

    @property
    def first(self) -> Record | Failure:
        """One that says what the row is."""
        return (self.records or self.failures or self.repeats)[0]


def row_of(bag: Bag, who: Who, label: str, folder: str) -> Row:
    """The row of a bag: all but what only its table knows (verdict, shared runs)."""
    cells: dict[str, dict[int, Record]] = {}
    for record in bag.records:
        cells.setdefault(record.protocol, {})[record.seed] = record
    missing = tuple(missing_of(bag.failures, cells))
    seeds = tuple(sorted({r.seed for r in bag.records} | {m.seed for m in missing}))
    entries = entries_of(cells, missing)
    pruned = pruned_of(bag.records)
    size = size_of(pruned)
    goal = goal_of(bag.first.budget, label, pruned, size.kind if size else STRUCTURED)
    return Row(who, goal, size, entries, gaps_of(entries), Verdict(), seeds, missing, (), len(bag.repeats), folder)


def missing_of(failures: Iterable[Failure], cells: Mapping[str, Mapping[int, Record]]) -> Iterable[Missing]:
    """The seeds that came to nothing. One that came to something, before or after, is none of them: the failure stays in its file, beside
    the record. Times say nothing here, clocks are set back.

    A failure of the whole cell is that of the protocols which the seed lacks and other seeds have, or of the row where it has none.
    """
    for f in sorted(failures, key=lambda f: (f.seed, f.protocol, f.kind, f.message)):
        own = [p for p in sorted(cells) if f.seed in cells[p]]
        lacking = [p for p in sorted(cells) if f.seed not in cells[p]]
        if f.protocol:
            at = [] if f.protocol in own else [f.protocol]
        else:
            at = lacking if own else lacking or [""]
        yield from (Missing(f.seed, protocol, f.kind, f.message) for protocol in at)


def pruned_of(records: Sequence[Record]) -> dict[int, Record]:
    """Seed -> a record that tells of the pruned network: not those of the dense controls."""
    return {r.seed: r for r in sorted(records, key=lambda r: r.protocol, reverse=True) if not r.protocol.startswith("unpruned")}


def size_of(pruned: Mapping[int, Record]) -> Size | None:
    """What is left of the network; None where nobody says."""
    if not pruned:
        return None
    records = list(pruned.values())
    kind = WEIGHTS if any(r.architecture.masks for r in records) else STRUCTURED
    base = records[0].unpruned
    left = {name: spread(getattr(r.metrics, name) for r in records) or Spread(0, 0, 0) for name in ("params", "macs", "nonzero", "macs_nonzero")}
    return Size(**left, dense=Cost(base.params, base.macs, base.nonzero, base.macs_nonzero), kind=kind)


def goal_of(budget: Mapping[str, Any], label: str, pruned: Mapping[int, Record], kind: str) -> Goal:
    """The budget with what came of it. Shares of parameters and multiply-adds are derived from their counts, not read; masked weights
    count as removed."""
    masked, records = kind == WEIGHTS, list(pruned.values())
    for unit, zero in (("macs", "macs_nonzero"), ("params", "nonzero")):
        if budget.get(unit) is not None:
            return Goal(label, unit, budget[unit], spread(_removed(records, zero if masked else unit, unit)))
    if budget.get("ratio") is None:
        return Goal(label)
    unit = "weights" if masked else "blocks" if any("blocks" in r.achieved for r in records) else "channels"
    said = [r.achieved[unit] for r in records if unit in r.achieved]
    if masked and not said:  # of all parameters, where the ratio is of the weights in scope
        return Goal(label, unit, budget["ratio"], spread(_removed(records, "nonzero", "params")), exact=False)
    return Goal(label, unit, budget["ratio"], spread(said))


def _removed(records: Iterable[Record], left: str, dense: str) -> list[float]:
    return [1 - getattr(r.metrics, left) / whole for r in records if (whole := getattr(r.unpruned, dense))]
