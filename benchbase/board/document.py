"""Tables as one JSON document: what `--json` prints and scripts read."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from benchbase.board.crossed import RESAMPLES
from benchbase.board.curve import Curve
from benchbase.board.entry import UNPRUNED, Entry, Gap
from benchbase.board.row import Row
from benchbase.board.stats import Interval, Spread, paired_t
from benchbase.board.table import Table

DIGITS = 9  # after the point: the last bits of a float may differ between versions of Python


def to_json(tables: Iterable[Table]) -> dict[str, Any]:
    """The tables as plain data: accuracies, gaps, verdicts, flags, costs. Keys keep their names and meaning."""
    return {"schema": 1, "tables": [_table(t) for t in tables]}


def _table(table: Table) -> dict[str, Any]:
    s = table.setting
    return {"dataset": {"name": s.dataset, "fingerprint": s.fingerprint, "classes": s.classes}, "model": s.model,
            "protocol_version": s.protocol_version, "recipe": dict(s.recipe), "finetune_recipe": dict(s.finetune), "delta": table.delta,
            "protocols": list(table.protocols),
            "base": _rounded(asdict(table.base)), "rows": [_row(row) for row in table.rows],
            "shared": [asdict(link) for link in table.links], "ledger": _rounded([asdict(spent) for spent in table.ledger]),
            "made_with": {name: list(values) for name, values in table.places.items()}, "flags": list(table.flags),
            "family": table.family, "curves": _rounded([_curve(curve) for curve in table.curves])}


def _row(row: Row) -> dict[str, Any]:
    who, goal, plain = row.who, row.goal, row.entry(UNPRUNED)
    return {"label": row.label, "kind": row.kind, "seeds": list(row.seeds), "flags": list(row.flags), "reproductions": row.repeats,
            "folder": row.folder,
            "method": {"label": who.label, "name": who.name, "version": who.version, "params": dict(who.params),
                       "distribution": who.distribution or None, "source": who.source, "published": who.published},
            "budget": {"label": goal.label, "unit": goal.unit or None, "asked": goal.asked, "achieved": _rounded(_plain(goal.achieved)),
                       "missed": goal.missed},
            "size": _rounded(_size(row)), "entries": {e.protocol: _rounded(_entry(e, plain)) for e in row.entries},
            "gaps": {g.name: _rounded(_gap(g)) for g in row.gaps},
            "verdict": {"word": row.verdict.word or None, "provisional": not row.verdict.word and row.gap("matched") is not None,
                        "reasons": list(row.verdict.reasons)},
            "point": row.point, "ranks": {r.protocol: {"low": r.low, "high": r.high, "of": r.of, "point": r.point, "ties": list(r.ties)}
                                          for r in row.ranks},
            "tier": asdict(row.tier), "failed": [asdict(m) for m in row.missing]}


def _size(row: Row) -> dict[str, Any] | None:
    if row.size is None:
        return None
    names = ("params", "macs", "nonzero", "macs_nonzero")
    return {**{name: _plain(getattr(row.size, name)) for name in names}, "dense": asdict(row.size.dense), "compression": row.size.compression,
            "speedup": row.size.speedup}


def _entry(entry: Entry, plain: Entry | None) -> dict[str, Any]:
    """drop: of the unpruned network's accuracy, paired by seed."""
    control = dict(plain.values) if plain and plain is not entry else {}
    pairs = [(control[seed], value) for seed, value in entry.values if seed in control]
    return {"mean": entry.mean, "std": entry.std, "n": entry.n, "values": {str(seed): value for seed, value in entry.values},
            "drop": _plain(paired_t([a for a, _ in pairs], [b for _, b in pairs])) if pairs else None, "epochs": _plain(entry.epochs), "macs_spent": _plain(entry.spent),
            "measures": {m.name: {"mean": m.mean, "std": m.std, "n": m.n} for m in entry.measures}, "shared": entry.link or None,
            "failed": sorted({m.seed for m in entry.failed})}


def _gap(gap: Gap) -> dict[str, Any]:
    return {"inherited": gap.a, "scratch": gap.b, **(_plain(gap.interval) or {}), "seeds": list(gap.seeds), "failed": list(gap.failed),
            "crossed": {**(_plain(gap.crossed) or {}), "resamples": RESAMPLES} if gap.crossed else None}


def _curve(curve: Curve) -> dict[str, Any]:
    return {"method": curve.who.label, "kind": curve.kind, "protocol": curve.protocol, "points": [list(point) for point in curve.points],
            "area": curve.area, "std": curve.std, "n": curve.n, "why": curve.why or None}


def _plain(value: Interval | Spread | None) -> dict[str, Any] | None:
    return asdict(value) if value else None


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0  # no -0.0
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value
