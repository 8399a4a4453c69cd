"""Ranks as intervals: what seeds can tell apart, and no more.

From 1 + the rows that are significantly better to N - the rows that are significantly worse, by paired t tests over seeds, adjusted by Holm's
procedure over all comparisons of a family: simultaneous intervals for ranks (Mogstad, Romano, Shaikh and Wilhelm, "Inference for Ranks",
Review of Economic Studies 91, 2024; Al Mohamad, Goeman and van Zwet, Biometrics 2022). Rows whose networks are the same runs tie by
identity and count once.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchbase.board.curve import UNTRAINED, point_of
from benchbase.board.entry import order_of
from benchbase.board.holm import holm
from benchbase.board.row import Row
from benchbase.board.stats import mean_std, paired_p

LEVEL = 0.05
LEAST = 3  # seeds in common: two say next to nothing of a spread


@dataclass(frozen=True)
class Rank:
    """Where a row stands under one protocol among those at its common point.  low, high: its rank lies between, 1 is the most accurate.
    of: rows ranked, those of the same runs counted once.  ties: labels of other rows that are the same runs."""

    protocol: str
    point: int
    low: int
    high: int
    of: int
    ties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rival:
    """One network to be ranked, under all the names of rows that share it.  values: seed -> top-1.  at: indices of those rows."""

    values: Mapping[int, float]
    at: tuple[int, ...]


Group = tuple[str, int, str]  # kind, point, protocol
Pair = tuple[Group, int, int]  # two rivals of a group


def ranks_of(rows: Sequence[Row], family: str = "table") -> list[tuple[Rank, ...]]:
    """The ranks of each row, one a protocol that trains; none where a row lies at no common point, or alone there.

    Structured rows and rows of single weights are never compared.  family: what Holm's procedure adjusts over, for each protocol by itself.
    """
    groups = rivals_of(rows)
    better = significant({pair: difference(*(groups[group][i].values for i in pair[1:]))
                          for group, rivals in groups.items() for pair in ((group, i, j) for i, j in combinations(range(len(rivals)), 2))}, family)
    found: list[list[Rank]] = [[] for _ in rows]
    for group, rivals in groups.items():
        _, point, protocol = group
        for i, rival in enumerate(rivals):
            signs = [better[group, i, j] if i < j else -better[group, j, i] for j in range(len(rivals)) if j != i]
            for at in rival.at:
                ties = tuple(rows[other].label for other in rival.at if other != at)
                found[at].append(Rank(protocol, point, 1 + signs.count(-1), len(rivals) - signs.count(1), len(rivals), ties))
    return [tuple(sorted(ranks, key=lambda r: order_of(r.protocol))) for ranks in found]


def rivals_of(rows: Sequence[Row]) -> dict[Group, list[Rival]]:
    """What is compared with what: two networks or more of each kind, common point and protocol."""
    groups: dict[Group, dict[tuple[tuple[int, str], ...], Rival]] = {}
    for i, row in enumerate(rows):
        point = point_of(row)
        for entry in row.entries if point else ():
            if len(entry.values) >= LEAST and entry.runs and not entry.protocol.startswith(UNTRAINED):
                known = groups.setdefault((row.kind, point or 0, entry.protocol), {})
                known[entry.runs] = Rival(dict(entry.values), (*(known[entry.runs].at if entry.runs in known else ()), i))
    return {group: list(known.values()) for group, known in groups.items() if len(known) > 1}


def difference(a: Mapping[int, float], b: Mapping[int, float]) -> tuple[float, float]:
    """(mean of a - b, two-sided p) over the seeds that both have; (0, 1) where those are too few."""
    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < LEAST:
        return 0.0, 1.0
    one, two = [a[s] for s in seeds], [b[s] for s in seeds]
    return mean_std([x - y for x, y in zip(one, two)])[0], paired_p(one, two)


def significant(tests: Mapping[Pair, tuple[float, float]], family: str) -> dict[Pair, int]:
    """1 where the first of a pair is better, -1 where the second is, 0 where nobody can tell, after Holm's procedure within each family.
    tests: the mean difference and its p."""
    families: dict[object, list[Pair]] = {}
    for pair in tests:
        kind, point, protocol = pair[0]
        families.setdefault((kind, protocol, point if family == "point" else 0), []).append(pair)
    said = {}
    for pairs in families.values():
        for pair, p in zip(pairs, holm([tests[pair][1] for pair in pairs])):
            said[pair] = 0 if p > LEVEL else 1 if tests[pair][0] > 0 else -1
    return said
