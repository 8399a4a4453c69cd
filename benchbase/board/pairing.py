"""Which records of two sides are pairs: all that neither side chooses must be equal."""
from __future__ import annotations

from collections.abc import Callable

from benchbase.board.labels import budget_key
from benchbase.board.side import BUDGET, CELL, METHOD, SET, Side, Told
from benchbase.errors import BenchError
from benchbase.values.digest import to_json

Identity = Callable[[Told], tuple[object, ...]]


def paired(a: Side, b: Side) -> dict[tuple[object, ...], tuple[Told, Told]]:
    """What two records have in common -> both, by all that the sides do not choose."""
    for identity in ways(a, b):
        one, two = ({identity(t): t for t in side.records} for side in (a, b))
        if any(len(found) < len(side.records) for found, side in ((one, a), (two, b))):
            raise BenchError(f"{a.name} or {b.name} has several records for one seed and protocol: there is no telling which to pair",
                             "name a method with its parameters, method@budget, or two folders of records")
        if common := one.keys() & two.keys():
            return {key: (one[key], two[key]) for key in sorted(common, key=str)}
    raise BenchError(f"nothing pairs between {a.name} and {b.name}: {'; '.join(differing(a, b)) or 'no cell is in both'}",
                     "compare records of one data set, model and recipe, under the same protocols with the same seeds")


def ways(a: Side, b: Side) -> list[Identity]:
    """How records may pair: by all that was asked but for what the sides name. Sets of one row each may also be two different rows."""
    kinds = {a.kind, b.kind}
    free_method, free_budget = bool(kinds & {METHOD, CELL}), bool(kinds & {BUDGET, CELL})
    found = [identity(free_method, free_budget)]
    if kinds == {SET} and all(len({(t.method, t.budget) for t in side.records}) == 1 for side in (a, b)):
        found.append(identity(True, True))
    return found


def identity(free_method: bool, free_budget: bool) -> Identity:
    """What pairs have in common; the seed last. A method's version is none of it: a new one is compared with the old."""
    def of(one: Told) -> tuple[object, ...]:
        r = one.record
        method = "" if free_method else to_json([r.method.name, r.method.params])
        return (r.dataset.name, r.dataset.fingerprint, r.model, to_json(r.recipe), to_json(r.finetune_recipe), method,
                "" if free_budget else budget_key(r.budget), r.protocol, r.seed)
    return of


def differing(a: Side, b: Side) -> list[str]:
    """What two sides have nothing of in common."""
    looks: dict[str, Callable[[Told], str]] = {
        "data set": lambda t: t.record.dataset.name, "model": lambda t: t.record.model, "protocol": lambda t: t.record.protocol,
        "seed": lambda t: str(t.record.seed), "method": lambda t: t.method, "budget": lambda t: t.budget,
        "version of the data": lambda t: t.record.dataset.fingerprint[:8], "recipe": lambda t: to_json([t.record.recipe, t.record.finetune_recipe])}
    chosen = {METHOD: ("method",), BUDGET: ("budget",), CELL: ("method", "budget"), SET: ()}
    skip = {name for side in (a, b) for name in chosen[side.kind]}
    said = []
    for name, look in looks.items():
        one, two = (sorted({look(t) for t in side.records}) for side in (a, b))
        if name not in skip and not set(one) & set(two):
            said.append("another recipe" if name == "recipe" else f"{name} {', '.join(one[:4])} against {', '.join(two[:4])}")
    return said
