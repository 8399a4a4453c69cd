"""Two methods, budgets or sets of records side by side: differences paired by seed, with their intervals, and what they say."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

from benchbase.board.condition import Condition
from benchbase.board.crossed import bits_of, crossed_of
from benchbase.board.entry import GAPS, order_of
from benchbase.board.holm import holm
from benchbase.board.mcnemar import McNemar, mcnemar
from benchbase.board.pairing import paired
from benchbase.board.side import Side, Told
from benchbase.board.stats import Interval, paired_p, paired_t
from benchbase.board.verdict import ENOUGH, LEAST_SEEDS, LITTLE, MATTER, SCRATCH, UNDECIDED, delta_of, word_of

if TYPE_CHECKING:
    from benchbase.values.record import Record

COUNTS = ("params", "macs", "nonzero", "macs_nonzero")
# What an interval of B - A says against the data set's delta, in the terms of `word_of`.
WORDS = {MATTER: "B is better", LITTLE: "B is a little better", ENOUGH: "no difference that counts", SCRATCH: "A is better", UNDECIDED: "undecided"}


@dataclass(frozen=True)
class Contrast:
    """B - A in one place: a data set, a model, a protocol, and what both sides have in common beside.

    seeds: of the pairs.  changes: (metric, unit) -> interval over seeds; units as in `Condition`.  means: metric -> mean of A, of B.
    p, adjusted: of top-1, alone and by Holm's procedure over all contrasts.  networks: seed -> McNemar's test of that seed's two networks,
    where both were tested on the same images.  same: seeds at which both sides are the same run.
    """

    dataset: str
    model: str
    a: str
    b: str
    protocol: str
    seeds: tuple[int, ...]
    means: Mapping[str, tuple[float, float]]
    changes: Mapping[tuple[str, str], Interval]
    delta: float
    p: float
    adjusted: float = 1.0
    crossed: Interval | None = None
    networks: Mapping[int, McNemar] = field(default_factory=dict)
    same: tuple[int, ...] = ()

    @property
    def word(self) -> str:
        """The verdict; "" for one seed."""
        top1 = self.changes["top1", "pp"]
        if self.same == self.seeds:
            return "the same runs"
        return WORDS[word_of(top1.low, top1.high, self.delta)] if top1.low is not None and top1.high is not None else ""

    @property
    def provisional(self) -> bool:
        """Whether there are fewer seeds than a verdict takes."""
        return len(self.seeds) < LEAST_SEEDS and self.same != self.seeds

    @property
    def label(self) -> str:
        """Where it is, in words."""
        what = self.a if self.a == self.b else f"{self.a} → {self.b}"
        return f"{what}, {self.protocol}, {self.model} on {self.dataset}"


@dataclass(frozen=True)
class GapContrast:
    """The difference of two gaps, B's minus A's.  shared: seeds whose scratch run is one for both: there it is that of the inherited sides."""

    dataset: str
    model: str
    a: str
    b: str
    name: str
    seeds: tuple[int, ...]
    interval: Interval
    shared: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """unpaired: records of A, of B without a partner."""

    a: Side
    b: Side
    contrasts: tuple[Contrast, ...]
    gaps: tuple[GapContrast, ...]
    unpaired: tuple[int, int]

    def failing(self, condition: Condition) -> list[Contrast]:
        """Where a condition holds."""
        return [contrast for contrast in self.contrasts if condition.holds(contrast.changes)]


def compare(a: Side, b: Side) -> Comparison:
    """All contrasts of two sides. BenchError where no record of one has a partner in the other, saying what they lack in common."""
    pairs = paired(a, b)
    groups: dict[tuple[object, ...], list[tuple[Told, Told]]] = {}
    for (*place, _), pair in pairs.items():
        groups.setdefault(tuple(place), []).append(pair)
    made = sorted((contrast_of(sorted(found, key=lambda p: p[0].record.seed)) for found in groups.values()),
                  key=lambda c: (c.dataset, c.model, c.a, c.b, order_of(c.protocol)))
    others = [i for i, c in enumerate(made) if c.same != c.seeds]  # equal runs are no comparison
    for i, p in zip(others, holm([made[i].p for i in others])):
        made[i] = replace(made[i], adjusted=p)
    return Comparison(a, b, tuple(made), tuple(gap_contrasts(pairs)), (len(a.records) - len(pairs), len(b.records) - len(pairs)))


def contrast_of(pairs: Sequence[tuple[Told, Told]]) -> Contrast:
    """The contrast of pairs in the order of their seeds."""
    one, two = ([pair[side].record for pair in pairs] for side in (0, 1))
    first, second = pairs[0]
    seeds = tuple(r.seed for r in one)
    same = tuple(x.seed for x, y in zip(one, two) if x.digests.final == y.digests.final)
    means = {name: (fmean(getattr(r.metrics, name) for r in one), fmean(getattr(r.metrics, name) for r in two)) for name in ("top1", "loss", *COUNTS)}
    top1 = [[r.metrics.top1 for r in side] for side in (one, two)]
    return Contrast(first.record.dataset.name, first.record.model, *_labels(first, second), first.record.protocol, seeds, means, _changes(one, two),
                    delta_of(first.record.dataset.name), paired_p(top1[1], top1[0]), crossed=crossed_of(list(zip(two, one))),
                    networks=dict(_networks(one, two)), same=same)


def gap_contrasts(pairs: Mapping[tuple[object, ...], tuple[Told, Told]]) -> list[GapContrast]:
    """The differences of gaps, where both sides have both halves of one."""
    rows: dict[tuple[object, ...], dict[tuple[str, int], tuple[Told, Told]]] = {}
    for (*place, protocol, seed), pair in pairs.items():
        rows.setdefault(tuple(place), {})[str(protocol), int(str(seed))] = pair
    found = []
    for cells in rows.values():
        for name, inherited, scratch in GAPS:
            seeds = tuple(sorted(s for p, s in cells if p == inherited and (scratch, s) in cells))
            if not seeds:
                continue
            tuned, fresh = ([cells[p, s] for s in seeds] for p in (inherited, scratch))
            shared = tuple(s for s, (x, y) in zip(seeds, fresh) if x.record.digests.final == y.record.digests.final)
            b, a = ([t[i].record.metrics.top1 - (0.0 if s in shared else f[i].record.metrics.top1) for s, t, f in zip(seeds, tuned, fresh)]
                    for i in (1, 0))
            r = tuned[0][0].record
            found.append(GapContrast(r.dataset.name, r.model, *_labels(*tuned[0]), name, seeds, paired_t(b, a), shared))
    return sorted(found, key=lambda g: (g.dataset, g.model, g.a, g.b))


def _labels(a: Told, b: Told) -> tuple[str, str]:
    return f"{a.method} {a.budget}", f"{b.method} {b.budget}"


def _changes(one: Sequence[Record], two: Sequence[Record]) -> dict[tuple[str, str], Interval]:
    """Changes of all metrics from A to B; and as shares of what A has."""
    found: dict[tuple[str, str], Interval] = {}
    for name in ("top1", "loss", *COUNTS):
        a, b = ([float(getattr(r.metrics, name)) for r in side] for side in (one, two))
        found[name, "pp" if name == "top1" else ""] = paired_t(b, a)
        if name != "top1":
            found[name, "%"] = paired_t([_percent(x, y) for x, y in zip(a, b)], [0.0] * len(a))
    return found


def _percent(a: float, b: float) -> float:
    """The change from a to b; of nothing, everything is 100 %."""
    return 100 * (b - a) / a if a else 100.0 * (b > 0)


def _networks(one: Iterable[Record], two: Iterable[Record]) -> Iterable[tuple[int, McNemar]]:
    for x, y in zip(one, two):
        if x.test_images == y.test_images:
            try:
                yield x.seed, mcnemar(bits_of(x), bits_of(y))
            except ValueError:
                continue
