"""The controls that a suite gets where it asks for them: the same widths without the method's choice, the same cost without its widths.

Structured rows: random channels and those of the largest L1 norm with the method's widths, and one ratio everywhere at its multiply-adds; weight
rows: random masks, and masks shuffled within each layer, with the method's counts (Su et al., "Sanity-Checking Pruning Methods", NeurIPS 2020);
rows of blocks: as many, drawn at random.
Scratch trainings of the same architecture are protocols, and `unpruned-long` tells whether the base had converged.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from benchbase.errors import BenchError
from benchbase.plugin.files import split_file
from benchbase.plugin.manager import Plugins
from benchbase.plugin.names import parse_name
from benchbase.values.budget import Budget
from benchbase.values.spec import Suite

LONG = "unpruned-long"
SAME = {"channel": ("random", "l1-norm", "uniform"), "weight": ("random-mask", "layer-shuffled"), "block": ("random-blocks",)}
OTHERWISE = ("random", "uniform", "random-mask", "layer-shuffled", "random-blocks")  # controls themselves: they get none


def controlled(suite: Suite, plugins: Plugins) -> Suite:
    """The suite with parts of controls beside each product that asks for them, and `unpruned-long` among that product's protocols.

    BenchError for a method out of a file whose widths a control would take: no record names a path.
    """
    parts: list[Suite] = []
    for part in suite.products:
        if part.controls:
            plain = replace(part, controls=False)
            parts += [plain if LONG in plain.protocols else replace(plain, protocols=(*plain.protocols, LONG)), *controls_of(plain, plugins)]
        else:
            parts.append(part)
    return suite if parts == list(suite.products) else replace(suite, parts=tuple(parts), controls=False)


def controls_of(part: Suite, plugins: Plugins) -> Iterator[Suite]:
    """One part for each method and budget of a product, with the controls of that row."""
    for text in part.methods:
        method = plugins.method(text).value
        names = () if method.name in OTHERWISE else tuple(name for name in SAME[method.granularity] if name != method.name)
        for said in part.budgets:
            budget = plugins.budget(said)
            if budget.like is not None or not names:
                continue
            one_ratio = method.target == "predefined" and shared(budget)  # one ratio everywhere already: `random` is uniform
            yield replace(part, methods=tuple(n for n in names if n != "uniform" or not one_ratio), budgets=(like(text, method, budget),))


def like(text: str, method: Any, budget: Budget) -> Budget:
    """What the method leaves at a budget. One that names each layer says it itself; so does any for a method that decides no widths."""
    if not shared(budget):
        return replace(budget, scope=budget.scope or method.scope)
    if split_file(parse_name(text)[0]) is None:
        return replace(budget, like=text, name=f"{text}@{budget.label}")
    if method.target == "predefined":
        return replace(budget, scope=budget.scope or method.scope)
    raise BenchError(f"the controls of {method.name} take the widths that it decides, and it is a method from a file",
                     "install it as a package, or run it without controls")


def shared(budget: Budget) -> bool:
    """Whether a budget is one number for all layers."""
    return budget.ratio is not None or budget.macs is not None or budget.params is not None
