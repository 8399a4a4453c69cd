"""From a suite to cells: every name looked up, every recipe made whole, before anything runs."""
from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow.controls import controlled
from benchbase.plugin.manager import Found, Plugins
from benchbase.plugin.names import params_of
from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.digest import canonical
from benchbase.values.protocol import Metric, Protocol
from benchbase.values.recipe import Recipe, recipe_of
from benchbase.values.record import scrub
from benchbase.values.spec import FAMILIES, Suite


@dataclass(frozen=True)
class Identified:
    """A plugin's object with what it is in keys: name, version and all fields, and its source where that may change unnoticed."""

    value: Any
    identity: tuple[Any, ...]


def identified(value: Any) -> Identified:
    """`value` (a method, a callback) as it enters keys."""
    cls: Any = type(value)
    name = getattr(value, "name", "") or type(value).__name__
    return Identified(value, (name, getattr(value, "version", 1), tuple(sorted(params_of(value).items())), source_digest(cls)))


@cache  # once a process, so that a file edited during a sweep changes no key halfway
def source_digest(thing: Any) -> str:
    """sha256 of the source file of a class or function where it is edited in place, and of the siblings that it imports from (`from ._gram
    import choose`); "" for an installed package, whose version says it."""
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    try:
        path = Path(inspect.getfile(module or thing))
        if {"site-packages", "dist-packages"} & set(path.parts):
            return ""
        return hashlib.sha256(b"".join(file.read_bytes() for file in with_siblings(path))).hexdigest()
    except (OSError, TypeError):
        return ""


def with_siblings(path: Path) -> list[Path]:
    """A source file, then those of its folder that it imports from by a relative import, and that they do, each once."""
    found, todo = [path], [path]
    while todo:
        text = todo.pop().read_text(encoding="utf-8")
        for name in sorted(set(re.findall(r"^\s*from \.(\w+) import", text, re.MULTILINE))):
            file = path.with_name(f"{name}.py")
            if file not in found and file.is_file():
                found.append(file)
                todo.append(file)
    return [path, *sorted(found[1:])]


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
    """What is pruned and on what: the part of a cell that needs the data set's facts. images: in the training split.
    code: digest of the model's source where it is edited in place, "" else."""

    model: str
    data: DataRef
    recipe: Recipe
    finetune: Recipe
    images: int
    code: str = ""

    @cached_property
    def dense(self) -> Architecture:
        return dense_on(self.data.dataset, self.model)

    @property
    def label(self) -> str:
        return f"{self.model} {self.data.dataset.name}"


def dense_on(dataset: Any, model: str) -> Architecture:
    """The dense network for the classes and images of a data set."""
    return Architecture(model, dataset.num_classes, tuple(dataset.shape))


@dataclass(frozen=True)
class Cell:
    """One method at one budget on one model and data set with one seed, under its protocols.
    like: the cell whose pruned network says what each layer keeps, where the budget is another method's.  family: as the suite declares it."""

    method: Any
    work: Work
    budget: Budget
    protocols: tuple[Protocol, ...]
    seed: int
    offer: Any = None
    metrics: tuple[Metric, ...] = ()
    like: Cell | None = None
    family: str = "table"

    @property
    def label(self) -> str:
        return f"{self.method.name} {self.budget.label} {self.work.label} seed {self.seed}"


def cells_of(suite: Suite, plugins: Plugins, tools: Any) -> list[Cell]:
    """The cells of `suite`, part by part, seeds changing fastest, so that parallel workers start on different bases.

    What several parts ask for stands once. Raises BenchError for the first name, parameter, budget or recipe that is wrong: before
    anything has run.
    """
    made = once(cell for part in controlled(suite, plugins).products for cell in product_of(part, plugins, tools))
    return made if suite.family == FAMILIES[0] else [replace(cell, family=suite.family) for cell in made]


def once(cells: Iterable[Cell]) -> list[Cell]:
    """The cells without the protocols that an equal cell before has already, and without those that are left with none."""
    seen: dict[str, list[Cell]] = {}
    left = []
    for cell in cells:
        before = [other for other in seen.setdefault(cell.label, []) if replace(other, protocols=()) == replace(cell, protocols=())]
        protocols = tuple(p for p in cell.protocols if not any(p in other.protocols for other in before))
        if protocols:
            left.append(cell if protocols == cell.protocols else replace(cell, protocols=protocols))
            seen[cell.label].append(left[-1])
    return left


def product_of(suite: Suite, plugins: Plugins, tools: Any) -> list[Cell]:
    """The cells of a suite without parts."""
    methods = [_checked(plugins.method(text)) for text in suite.methods]
    protocols = tuple(plugins.protocol(name) for name in suite.protocols)
    budgets = [plugins.budget(value) for value in suite.budgets]
    models = [plugins.model_name(name) for name in suite.models]
    for name in models:
        plugins.model(name)
    datasets = [placed(plugins.dataset(text).value, tools.data_root) for text in suite.datasets]
    _no_twins("method", suite.methods, [found.value for found in methods])
    _no_twins("budget", [b.label for b in budgets], budgets)
    _no_twins("protocol", suite.protocols, suite.protocols)
    _no_twins("model", suite.models, models)
    _no_twins("data set", suite.datasets, datasets)
    metrics = tuple(plugins.metrics())
    works = [_work(model, dataset, suite, tools) for dataset, model in product(datasets, models)]
    others = {budget.like: _checked(plugins.method(budget.like)).value for budget in budgets if budget.like}
    return [Cell(method.value, work, budget, protocols, seed, method.offer, metrics, _like(budget, others, work, seed))
            for work, budget, method, seed in product(works, budgets, methods, suite.seeds)]


def placed(dataset: Any, root: Path) -> Any:
    """The data set. A relative path of one that lies in the data folder `root` and not here is read there: a suite names no folder of one
    machine."""
    path = getattr(dataset, "path", None)
    if not isinstance(path, str) or not path or Path(path).expanduser().exists() or not (root / path).exists():
        return dataset
    return replace(dataset, path=str((root / path).absolute()))


def _like(budget: Budget, methods: Mapping[str, Any], work: Work, seed: int) -> Cell | None:
    """The cell of the method that a budget takes after."""
    if budget.like is None:
        return None
    return Cell(methods[budget.like], work, budget.own, (), seed if budget.like_seed is None else budget.like_seed)


def recipes_of(suite: Suite, dataset: Any) -> tuple[Recipe, Recipe]:
    """(the base's, fine-tuning's) on a data set: its own, with the fields that the suite names; batches of fine-tuning are as large as the base's."""
    for name, own in (("recipe", dataset.recipe), ("finetune", dataset.finetune)):
        if not isinstance(own, Recipe):
            raise BenchError(f"data set {dataset.name}: {name} is {own!r}, not a benchbase.Recipe"[:500], "mend it: see benchbase.Dataset")
    base = recipe_of(dict(suite.recipe), dataset.recipe)
    tuned = recipe_of(dict(suite.finetune), dataset.finetune)
    return base, tuned if "batch_size" in suite.finetune else replace(tuned, batch_size=base.batch_size)


def _work(model: str, dataset: Any, suite: Suite, tools: Any) -> Work:
    base, tuned = recipes_of(suite, dataset)
    loaded = tools.data(dataset)
    _no_path(f"data set {dataset.name}", "name", dataset.name)
    return Work(model, DataRef(dataset, loaded.fingerprint), base, tuned, loaded.count("train"), tools.code(dense_on(dataset, model)))


def _checked(found: Found) -> Found:
    """The method, whose parameters stand in keys and records: plain values, and no path of this machine among them."""
    for name, value in params_of(found.value).items():
        try:
            plain = canonical(value)
        except (TypeError, ValueError) as error:
            raise BenchError(f"method {found.value.name}: parameter {name} cannot stand in a record: {error}",
                             "use numbers, texts and tuples of them") from None
        _no_path(f"method {found.value.name}", name, plain)
    return found


def _no_path(who: str, name: str, value: Any) -> None:
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and (scrub(text, len(text)) != text or text.startswith("~")):
            raise BenchError(f"{who}: {name} = {text!r} is a path, and records hold none",
                             f"declare {name} with field(metadata={{'identity': False}}), and what it leads to as another parameter")


def _no_twins(what: str, names: Iterable[Any], values: Sequence[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        if values.count(value) > 1:
            raise BenchError(f"{what} {name} is asked for twice", f"name each {what} once")
