"""From a suite to cells: every name looked up, every recipe made whole, before anything runs."""
from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.plugin.manager import Plugins
from benchbase.plugin.names import params_of
from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.protocol import Protocol
from benchbase.values.recipe import Recipe, recipe_of
from benchbase.values.spec import Suite


@dataclass(frozen=True)
class Identified:
    """A plugin's object with what it is in keys: name, version and all fields, and its source where that may change unnoticed."""

    value: Any
    identity: tuple[Any, ...]


def identified(value: Any) -> Identified:
    """`value` (a method, a callback) as it enters keys."""
    name = getattr(value, "name", "") or type(value).__name__
    return Identified(value, (name, getattr(value, "version", 1), tuple(sorted(params_of(value).items())), source_digest(type(value))))


def source_digest(cls: type) -> str:
    """sha256 of the source file of `cls` where it is edited in place; "" for an installed package, whose version says it."""
    module = sys.modules.get(cls.__module__)
    try:
        path = Path(inspect.getfile(module or cls))
        if {"site-packages", "dist-packages"} & set(path.parts):
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, TypeError):
        return ""


@dataclass(frozen=True)
class DataRef:
    """A data set as stages take it: loaded when needed, in keys by its fingerprint."""

    dataset: Any
    fingerprint: str

    @property
    def identity(self) -> str:
        return self.fingerprint


@dataclass(frozen=True)
class Work:
    """What is pruned and on what: the part of a cell that needs the data set's facts."""

    model: str
    data: DataRef
    recipe: Recipe
    finetune: Recipe
    images: int

    @cached_property
    def dense(self) -> Architecture:
        dataset = self.data.dataset
        return Architecture(self.model, dataset.num_classes, tuple(dataset.shape))


@dataclass(frozen=True)
class Cell:
    """One method at one budget on one model and data set with one seed, under its protocols."""

    method: Any
    work: Work
    budget: Budget
    protocols: tuple[Protocol, ...]
    seed: int
    offer: Any = None

    @property
    def label(self) -> str:
        return f"{self.method.name} {self.budget.label} {self.work.model} {self.work.data.dataset.name} seed {self.seed}"


def cells_of(suite: Suite, plugins: Plugins, tools: Any) -> list[Cell]:
    """The cells of `suite`, seed by seed so that parallel workers start on different bases.

    Raises BenchError for the first name, parameter, budget or recipe that is wrong: before anything has run.
    """
    methods = [plugins.method(text) for text in suite.methods]
    protocols = tuple(plugins.protocol(name) for name in suite.protocols)
    budgets = [plugins.budget(value) for value in suite.budgets]
    models = [plugins.model_name(name) for name in suite.models]
    for name in models:
        plugins.model(name)
    works = [_work(model, text, suite, plugins, tools) for text, model in product(suite.datasets, models)]
    for what, names in (("method", [m.value for m in methods]), ("budget", [b.label for b in budgets]), ("protocol", suite.protocols),
                        ("model", models)):
        _no_twins(what, names)
    return [Cell(method.value, work, budget, protocols, seed, method.offer)
            for seed, work, budget, method in product(suite.seeds, works, budgets, methods)]


def _work(model: str, text: str, suite: Suite, plugins: Plugins, tools: Any) -> Work:
    dataset = plugins.dataset(text).value
    base = recipe_of(dict(suite.recipe), dataset.recipe)
    tuned = recipe_of(dict(suite.finetune), dataset.finetune)
    loaded = tools.data(dataset)
    return Work(model, DataRef(dataset, loaded.fingerprint), base, replace(tuned, batch_size=_batch(suite, tuned, base)), loaded.count("train"))


def _batch(suite: Suite, tuned: Recipe, base: Recipe) -> int:
    """Fine-tuning takes the base's batch size unless told otherwise."""
    return tuned.batch_size if "batch_size" in suite.finetune else base.batch_size


def _no_twins(what: str, names: Iterable[Any]) -> None:
    seen = list(names)
    for name in seen:
        if seen.count(name) > 1:
            raise BenchError(f"{what} {name} is asked for twice", f"name each {what} once")
