"""The data that the page shows: tables as compact JSON, a function of the records alone."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchbase.board import words
from benchbase.board.detail import Detail
from benchbase.board.entry import UNPRUNED, Entry, Gap
from benchbase.board.flags import listed
from benchbase.board.page.headline import headline, smoke
from benchbase.board.row import WEIGHTS, Row
from benchbase.board.stats import Spread
from benchbase.board.table import Table
from benchbase.values.digest import digest

SHORT = 4  # digits after the point: twice what the page prints


def data_of(tables: Sequence[Table]) -> dict[str, Any]:
    """All that the page shows, but for what plugins say of their papers. Names are short where they stand in every row."""
    evidence, checks = [t for t in tables if not smoke(t)], [t for t in tables if smoke(t)]
    return {"schema": 1, "headline": headline(evidence), "smoke": headline(checks), "tables": [_table(t) for t in tables]}


def to_text(data: dict[str, Any]) -> str:
    """The bytes of the data: one line a table, so that a change of one shows as a change of one line."""
    def line(value: Any) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)

    head = [f"{line(name)}:{line(value)}" for name, value in data.items() if name != "tables"]
    return "{" + ",\n".join([*head, '"tables":[\n' + ",\n".join(map(line, data["tables"])) + "\n]"]) + "}"


def _table(table: Table) -> dict[str, Any]:
    s = table.setting
    identity = digest([s.dataset, s.fingerprint, s.model, dict(s.recipe), dict(s.finetune), s.protocol_version])[:8]
    tails: dict[str, int] = {}
    locks: dict[str, int] = {}
    layers: dict[str, int] = {}
    for layer in (layer for row in table.rows if row.detail for layer in row.detail.layers):
        layers[layer.name] = max(layers.get(layer.name, 0), layer.least)
    dense = next((row.size.dense for row in table.rows if row.size), None)
    return {"id": identity, "dataset": s.dataset, "fingerprint": s.fingerprint, "model": s.model, "classes": s.classes, "smoke": smoke(table),
            "delta": table.delta, "recipe": words.recipe(s.recipe), "finetune": words.recipe(s.finetune), "epochs": s.recipe.get("epochs"),
            "base": {"converged": table.base.converged, "text": words.base(table)}, "dense": asdict(dense) if dense else None,
            "unpruned": _entry(max((e for row in table.rows if (e := row.entry(UNPRUNED))), key=lambda e: e.n, default=None)),
            "flags": list(table.flags), "links": {link.letter: words.link(link) for link in table.links},
            "ledger": [list(asdict(spent).values()) for spent in table.ledger], "layers": [[name, width] for name, width in layers.items()],
            "rows": [_row(row, identity, list(layers), tails, locks) for row in table.rows],
            "recipes": list(tails), "locks": [json.loads(lock) for lock in locks]}


def _row(row: Row, table: str, layers: Sequence[str], tails: dict[str, int], locks: dict[str, int]) -> dict[str, Any]:
    """A row. tails, locks: what many rows of a table have in common, text -> its number; new ones are added."""
    who, goal = row.who, row.goal
    return {"id": digest([table, who.name, who.version, list(map(list, who.params)), who.source, goal.label])[:10], "method": who.label,
            "name": who.name, "about": words.method(who), "published": who.published, "budget": goal.label, "unit": goal.unit, "asked": goal.asked,
            "achieved": _spread(goal.achieved), "missed": goal.missed, "kind": row.kind, "seeds": listed(row.seeds), "n": len(row.seeds),
            **_size(row), "entries": {e.protocol: _entry(e) for e in row.entries}, "gaps": {g.name: _gap(g) for g in row.gaps},
            "word": row.verdict.word, "says": words.says(row), "reasons": list(row.verdict.reasons), "flags": list(row.flags),
            "point": row.point, "ranks": {r.protocol: [r.low, r.high, r.of] for r in row.ranks}, "tier": str(row.tier), "repeats": row.repeats,
            "folder": row.folder, **(_detail(row.detail, layers, tails, locks) if row.detail else {})}


def _size(row: Row) -> dict[str, Any]:
    """What is left; weight rows count what is not zero."""
    if row.size is None:
        return {"params": None, "macs": None, "compression": None, "speedup": None}
    left = (row.size.nonzero, row.size.macs_nonzero) if row.kind == WEIGHTS else (row.size.params, row.size.macs)
    return {"params": _spread(left[0]), "macs": _spread(left[1]), "compression": _round(row.size.compression), "speedup": _round(row.size.speedup)}


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    """mean, std, n; e: epochs from, to; v: by seed; link: letter of shared runs; lost: failed seeds."""
    if entry is None:
        return None
    found = {"mean": _round(entry.mean), "std": _round(entry.std), "n": entry.n, "v": [[seed, _round(value)] for seed, value in entry.values]}
    more = {"e": [entry.epochs.low, entry.epochs.high] if entry.epochs else None, "link": entry.link, "lost": len({m.seed for m in entry.failed})}
    return {**found, **{name: value for name, value in more.items() if value}}


def _detail(detail: Detail, layers: Sequence[str], tails: dict[str, int], locks: dict[str, int]) -> dict[str, Any]:
    head, cut, tail = detail.command.partition(" --set ")
    lock = json.dumps({name: list(values) for name, values in (detail.lock or {}).items()}, sort_keys=True)
    kept = {layer.name: _round(layer.kept) for layer in detail.layers}
    costs = [[c.protocol, c.phase, *(_round(v, 1) for v in (c.epochs, c.images, c.macs, c.seconds))] for c in detail.costs]
    return {"command": [head, tails.setdefault(cut + tail, len(tails))], "lock": locks.setdefault(lock, len(locks)), "key": detail.key,
            "widths": [kept.get(name) for name in layers] if kept else [], "costs": costs}


def _gap(gap: Gap) -> list[float | int | None]:
    """Mean, ends of the interval over seeds, n, ends of the interval over seeds and test images."""
    one, two = gap.interval, gap.crossed
    return [_round(one.mean), _round(one.low), _round(one.high), one.n, *([_round(two.low), _round(two.high)] if two else [])]


def _spread(values: Spread | None) -> list[float | None] | None:
    return [_round(values.mean), _round(values.low), _round(values.high)] if values else None


def _round(value: float | None, digits: int = SHORT) -> float | int | None:
    """Rounded, whole numbers as integers: the same text on every machine."""
    if value is None:
        return None
    short = round(value, digits)
    return int(short) if short == int(short) else short

