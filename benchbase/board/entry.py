"""One cell of a table: what one protocol reached on one row, over seeds; and the gap between two of them."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from benchbase.board.stats import Interval, Spread, mean_std, paired_t, spread

if TYPE_CHECKING:
    from benchbase.values.record import Record

UNPRUNED, OWN_BASE, RECOMPUTED = "unpruned", "own base", ", BN recomputed"
# How columns stand in tables; others follow by name.
ORDER = (UNPRUNED, OWN_BASE, "one-shot", "one-shot" + RECOMPUTED, "finetune", "finetune-matched", "rewind", "rewind-early",
         "scratch-e", "scratch-b", "scratch-b-cap2", "scratch-matched", "unpruned-long")
# Name, inherited side, scratch side. The first has equal compute on both sides and carries the verdict (gate 4).
GAPS = (("matched", "finetune-matched", "scratch-matched"), ("paper", "finetune", "scratch-b"), ("same epochs", "finetune", "scratch-e"))


@dataclass(frozen=True)
class Missing:
    """A seed that came to nothing.  protocol: where, "" for the whole cell.  kind: as in the record of the failure."""

    seed: int
    protocol: str
    kind: str
    message: str = ""


@dataclass(frozen=True)
class Measure:
    """Another number beside top-1, over seeds; std is None where n = 1."""

    name: str
    mean: float
    std: float | None
    n: int


@dataclass(frozen=True)
class Entry:
    """values: (seed, top-1 in percent), by seed.  epochs: of the last training.  spent: multiply-adds of all phases, as the ledger has them.
    runs: (seed, digest of the final network).  failed: seeds that came to nothing.  link: a letter that entries of the same runs share."""

    protocol: str
    values: tuple[tuple[int, float], ...] = ()
    epochs: Spread | None = None
    spent: Spread | None = None
    measures: tuple[Measure, ...] = ()
    runs: tuple[tuple[int, str], ...] = ()
    failed: tuple[Missing, ...] = ()
    link: str = ""

    @property
    def n(self) -> int:
        """How many seeds have a value."""
        return len(self.values)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that have a value, ascending."""
        return tuple(seed for seed, _ in self.values)

    @cached_property
    def _mean_std(self) -> tuple[float | None, float | None]:
        return mean_std([v for _, v in self.values]) if self.values else (None, None)

    @property
    def mean(self) -> float | None:
        """Mean top-1 over seeds; None where there are none."""
        return self._mean_std[0]

    @property
    def std(self) -> float | None:
        """Sample standard deviation (n - 1); None where n < 2."""
        return self._mean_std[1]


@dataclass(frozen=True)
class Gap:
    """a - b in points of top-1, paired by seed.  seeds: of the pairs.  failed: seeds of either side that came to nothing.
    crossed: the interval over seeds and test images, None where the stored bits give none."""

    name: str
    a: str
    b: str
    interval: Interval
    seeds: tuple[int, ...]
    failed: tuple[int, ...] = ()
    crossed: Interval | None = None


def order_of(protocol: str) -> tuple[int, str]:
    """Where a column stands: the paper's order, then by name."""
    return (ORDER.index(protocol) if protocol in ORDER else len(ORDER), protocol)


def entries_of(cells: Mapping[str, Mapping[int, Record]], missing: Sequence[Missing]) -> tuple[Entry, ...]:
    """The entries of a row, in the order of columns.  cells: protocol -> seed -> record."""
    found = list(_controls(cells))
    for protocol in sorted({*cells, *(m.protocol for m in missing if m.protocol)}):
        records = cells.get(protocol, {})
        failed = tuple(m for m in missing if m.protocol == protocol)
        found.append(_entry(protocol, [(s, records[s].metrics.top1) for s in sorted(records)], records, failed))
        again = [(s, r.metrics.top1_bn) for s, r in sorted(records.items()) if r.metrics.top1_bn is not None]
        if again:
            found.append(Entry(protocol + RECOMPUTED, tuple(again), spread(r.metrics.epochs for r in records.values()), failed=failed))
    return tuple(sorted(found, key=lambda e: order_of(e.protocol)))


def gaps_of(entries: Iterable[Entry]) -> tuple[Gap, ...]:
    """The gaps that a row has both sides of, for at least one seed."""
    by = {e.protocol: e for e in entries}
    gaps = []
    for name, a, b in GAPS:
        one, two = dict(by[a].values) if a in by else {}, dict(by[b].values) if b in by else {}
        if seeds := tuple(sorted(one.keys() & two.keys())):
            failed = {m.seed for side in (a, b) for m in by[side].failed}
            gaps.append(Gap(name, a, b, paired_t([one[s] for s in seeds], [two[s] for s in seeds]), seeds, tuple(sorted(failed))))
    return tuple(gaps)


def _controls(cells: Mapping[str, Mapping[int, Record]]) -> Iterable[Entry]:
    """The unpruned network, control of every row, and the method's own base where it trains one: as in the paper, never instead of it."""
    one = {s: r for protocol in sorted(cells, reverse=True) for s, r in cells[protocol].items()}
    if one:
        runs = tuple((s, one[s].digests.plain) for s in sorted(one))
        epochs = spread(r.recipe.get("epochs", 0) for r in one.values())
        yield Entry(UNPRUNED, tuple((s, one[s].unpruned.top1) for s in sorted(one)), epochs, runs=runs)
    own = [(s, r.sparse_base.top1) for s, r in sorted(one.items()) if r.sparse_base]
    if own:
        yield Entry(OWN_BASE, tuple(own), runs=tuple((s, r.digests.base) for s, r in sorted(one.items()) if r.sparse_base))


def _entry(protocol: str, values: Sequence[tuple[int, float]], records: Mapping[int, Record], failed: tuple[Missing, ...]) -> Entry:
    found = [records[seed] for seed in sorted(records)]
    macs = [r.ledger.pretrain.macs + r.ledger.prune.macs + r.ledger.retrain.macs for r in found]
    return Entry(protocol, tuple(values), spread(r.metrics.epochs for r in found), spread(macs), tuple(_measures(found)),
                 tuple((r.seed, r.digests.final) for r in found), failed)


def _measures(records: Sequence[Record]) -> Iterable[Measure]:
    rows = [{**r.metrics.extra, "top5": r.metrics.top5, "loss": r.metrics.loss, "latency_ratio": r.metrics.latency_ratio} for r in records]
    own = ("top5", "loss", "latency_ratio")
    for name in (*own, *sorted({name for row in rows for name in row} - set(own))):
        values = [value for row in rows if (value := row.get(name)) is not None]
        if values:
            yield Measure(name, *mean_std(values), len(values))
