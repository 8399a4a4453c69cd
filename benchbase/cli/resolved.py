"""What `bench run` would take every setting to be, and who says so: a flag, the environment, the suite's file, a data set, or a default."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from benchbase.cli.options import SUITE_KEYS, assigned, merged, settings_from, suite_from, suite_path
from benchbase.cli.output import columns

if TYPE_CHECKING:
    from benchbase.plugin.manager import Plugins
    from benchbase.values.recipe import Recipe
    from benchbase.values.spec import Suite

RECIPE_FLAGS = {"recipe.epochs": "--epochs", "finetune.epochs": "--finetune-epochs"}
FOLDERS = {"store": "BENCH_STORE", "data": "BENCH_DATA", "leaderboard": ""}
NO_SETTINGS = {"suite", "recipe", "epochs", "finetune_epochs", "assignments", "as_json", "quiet", "dry_run", "seeds", "controls", *SUITE_KEYS}
DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """value: as the command line takes it, "" where nothing is set.  source: "flag --seeds", "environment BENCH_STORE", "suite smoke.yaml",
    "data set digits" or "default"."""

    name: str
    value: str
    source: str


def resolved(words: Sequence[str], environment: dict[str, str], plugins: Plugins) -> dict[str, list[Setting]]:
    """Title -> settings, for the arguments of `bench run` in `words`. Raises what `bench run` raises for wrong ones."""
    from benchbase.cli.run import command as run

    context = run.make_context("bench run", list(words))
    given, source = dict(context.params), context.params["suite"]
    flags = {str(p.name): f"flag {max(p.opts, key=len)}" for p in run.params
             if context.get_parameter_source(str(p.name)) is ParameterSource.COMMANDLINE and isinstance(p, click.Option)}
    unnamed = not source and not given["methods"]
    suite = merged(source, plugins, {**given, "methods": ("",)}) if unnamed else suite_from(source, plugins, given)
    path = suite_path(source, plugins) if source else None
    found: dict[str, list[Setting]] = {}
    for part, (title, own) in zip(suite.products, _named(path, len(suite.products))):
        found[title] = list(_suite(part, flags, path, own))
        for name, (base, tuned) in _recipes(part, plugins).items():
            said = {f"{table}.{key}" for table, keys in zip(("recipe", "finetune"), assigned(given)) for key in keys}
            found[f"{title}: recipe on {name}"] = list(_recipe("recipe", base, said, path, own, f"data set {name}"))
            found[f"{title}: fine-tuning on {name}"] = list(_recipe("finetune", tuned, said, path, own, f"data set {name}"))
    return {**found, "where and how": [*_machine(run, given, flags, environment)]}


def _named(path: Path | None, parts: int) -> Iterator[tuple[str, frozenset[str]]]:
    """(title, keys that the file names) of each product."""
    from benchbase.values.spec import keys_in

    for number, keys in enumerate(keys_in(path) if path else (frozenset[str](),), 1):
        yield f"what, part {number}" if parts > 1 else "what", keys


def _suite(suite: Suite, flags: dict[str, str], path: Path | None, own: frozenset[str]) -> Iterator[Setting]:
    from benchbase.cli.show import words

    for key in (*SUITE_KEYS, "seeds", "controls"):
        value = getattr(suite, key)
        text = words(value) if isinstance(value, bool) else " ".join(str(dict(v)) if isinstance(v, dict) else str(v) for v in value)
        yield Setting(key, text, flags.get(key) or (f"suite {path.name}" if path and key in own else DEFAULT))


def _recipes(suite: Suite, plugins: Plugins) -> dict[str, tuple[Recipe, Recipe]]:
    """Data set -> (the base's recipe, fine-tuning's)."""
    from benchbase.flow.cells import recipes_of

    found = {text: plugins.dataset(text).value for text in suite.datasets}
    return {text: recipes_of(suite, dataset) for text, dataset in found.items()}


def _recipe(table: str, recipe: Recipe, said: set[str], path: Path | None, own: frozenset[str], otherwise: str) -> Iterator[Setting]:
    from benchbase.cli.show import words

    for name in (f.name for f in fields(recipe)):
        key = f"{table}.{name}"
        flag = f"flag {RECIPE_FLAGS.get(key, f'--set {key}')}"
        follows = key == "finetune.batch_size" and key not in own
        yield Setting(name, words(getattr(recipe, name)), flag if key in said else f"suite {path.name}" if path and key in own
                      else "as the base's" if follows else otherwise)


def _machine(run: click.Command, given: dict[str, Any], flags: dict[str, str], environment: dict[str, str]) -> Iterator[Setting]:
    """The other options of `bench run`, and what the environment alone says."""
    from benchbase.cli.show import words

    settings = settings_from(given)
    for name, variable in FOLDERS.items():
        yield Setting(name, str(getattr(settings, name)), flags.get(name) or (f"environment {variable}" if environment.get(variable) else DEFAULT))
    for param in run.params:
        name = str(param.name)
        if isinstance(param, click.Option) and name in given and name not in NO_SETTINGS and name not in FOLDERS and not param.hidden:
            value = given[name]
            yield Setting(max(param.opts, key=len).lstrip("-"), "" if value in (None, (), "") else words(value), flags.get(name, DEFAULT))
    for variable, name, otherwise in (("BENCH_PLUGINS", "plugins", "all that are installed"), ("NO_COLOR", "no colour", "")):
        value = environment.get(variable, "")
        yield Setting(name, value or otherwise, f"environment {variable}" if value else DEFAULT)


def text(found: dict[str, list[Setting]]) -> str:
    """The settings for people."""
    blocks = ["\n".join([title, *columns([(s.name, s.value or "not set", s.source) for s in settings])]) for title, settings in found.items()]
    return "\n\n".join([*blocks, "a flag goes before the environment, the environment and a suite before a data set's own recipe and the defaults"])
