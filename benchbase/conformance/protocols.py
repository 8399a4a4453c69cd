"""Checks of a protocol: for any recipes and costs it gives a recipe, always the same, and says its epochs in words."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbase.conformance import fields
from benchbase.errors import raised
from benchbase.plugin.manager import Offer
from benchbase.values.cost import Cost
from benchbase.values.recipe import Recipe

Pairs = Iterator[tuple[str, str]]
BASES = (Recipe(), Recipe(epochs=1, lr=0.01), Recipe(epochs=8, schedule="cosine", milestones=()))
TUNED = Recipe(epochs=4, lr=0.001, milestones=())
DENSE = Cost(1000, 10_000, 1000, 10_000)
PRUNED = (Cost(1000, 10_000, 1000, 10_000), Cost(300, 2500, 300, 2500), Cost(10, 17, 10, 17), Cost(1000, 10_000, 100, 900))


@dataclass(frozen=True)
class Subject:
    """A protocol. root: the folder of downloaded data, which no protocol reads."""

    offer: Offer
    root: Path


def recipe(subject: Subject) -> Pairs:
    """A valid Recipe for every base and every cost, from a tenth of a percent left to nothing removed."""
    protocol = subject.offer.value
    for base in BASES:
        for pruned in PRUNED:
            where = f"for a base of {base.epochs} epochs and F1/F2 of {DENSE.macs_nonzero / pruned.macs_nonzero:.4g}"
            try:
                one, two = (protocol.recipe(base, TUNED, DENSE, pruned) for _ in range(2))
            except Exception as error:  # noqa: BLE001 -- a plugin's code may raise anything
                yield f"it raised {raised(error)} {where}", "give a Recipe for every base and every cost"
                return
            if not isinstance(one, Recipe):
                yield f"it gave {type(one).__name__} {where}", "return benchbase.Recipe(...), or dataclasses.replace(base, ...)"
                return
            if one != two:
                yield f"it gave two recipes {where}", "let the recipe depend on its four arguments alone"
                return


def formula(subject: Subject) -> Pairs:
    """Its epochs in words, for the ledger."""
    if not subject.offer.value.formula.strip():
        yield "it does not say its epochs in words", "give formula, as 'int(K1 * F1/F2)': K1, K2 are base and fine-tuning epochs, F1, F2 dense and pruned MACs"


CHECKS: tuple[tuple[str, Any], ...] = (("name", lambda s: fields.named(s.offer)), ("recipe", recipe), ("formula", formula))
