"""`bench show NAME`: one thing, of whatever kind, in full."""
from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.list import KINDS, entry, origin
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import columns, out, print_json
from benchbase.errors import unknown

if TYPE_CHECKING:
    from benchbase.plugin.manager import Offer, Plugins


@click.command("show", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, required=False, type=click.UNPROCESSED, metavar="NAME", shell_complete=complete.offered())
@click.option("--resolved", is_flag=True, help="Show what `bench run` would do with the arguments that follow, and where each setting comes from.")
@json_option
@traceback_option
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], resolved: bool, as_json: bool) -> None:
    """Show a method, model, data set, protocol, metric, executor, suite or budget: where it comes from, its parameters with their
    defaults, its paper and the numbers reported there, and what its author says of it.

    With --resolved, the arguments of `bench run` follow instead of NAME, and every setting is shown with its value and its source: a flag goes
    before the environment (BENCH_STORE, BENCH_DATA, BENCH_PLUGINS), that before the suite's file, that before a data set's own recipe and
    the defaults. Nothing is run.

    \b
    Examples:
      bench show thinet
      bench show imagefolder
      bench show vgg16-a --json
      bench show --resolved smoke --epochs 3 --store results/
    """
    from benchbase.plugin.manager import load_plugins

    if resolved:
        show_resolved(words, as_json)
        return
    found = find(one_name(ctx, words), load_plugins())
    if as_json:
        print_json([{"kind": offer.kind, **entry(offer), **details(offer), "text": about(offer)} for offer in found])
        return
    out("\n\n".join(map(text, found)))


def one_name(ctx: click.Context, words: tuple[str, ...]) -> str:
    """The one argument that there is without --resolved; click's errors for anything else."""
    for word in words:
        if word.startswith("-"):
            raise click.NoSuchOption(word, ctx=ctx)
    if len(words) != 1:
        raise click.UsageError("Missing argument 'NAME'" if not words else f"Got unexpected extra argument ({words[1]})", ctx=ctx)
    return words[0]


def show_resolved(words: tuple[str, ...], as_json: bool) -> None:
    """Print every setting of a run with its source."""
    from benchbase.cli import resolved
    from benchbase.plugin.manager import load_plugins

    found = resolved.resolved(words, dict(os.environ), load_plugins())
    if as_json:
        print_json({title: [asdict(setting) for setting in settings] for title, settings in found.items()})
    else:
        out(resolved.text(found))


def find(name: str, plugins: Plugins) -> list[Offer]:
    """What has this name, of every kind; parameters in brackets and paths after a colon are no part of it.

    Raises BenchError with near misses out of all kinds.
    """
    from benchbase.plugin.names import parse_name

    bare = parse_name(name)[0]
    offers = [offer for kind in KINDS for offer in plugins.offers(kind)]
    names = {bare, bare.replace("_", "-"), bare.partition(":")[0]}
    if found := [offer for offer in offers if offer.name in names]:
        return found
    if ":" in bare:
        from benchbase.plugin.manager import Offer

        return [Offer("models", bare, plugins.model(bare), "opened by name", None, None)]
    raise unknown("name", name, {offer.name for offer in offers})


def details(offer: Offer) -> dict[str, Any]:
    """What there is to say of it, by the kind of thing it is, as plain data."""
    return DETAILS.get(offer.kind, lambda value: {})(offer.value)


def _method(cls: Any) -> dict[str, Any]:
    return {"parameters": parameters(cls), "granularity": cls.granularity, "target": cls.target, "scope": cls.scope,
            "keep_at_least": cls.keep_at_least, "results_version": cls.version, "reported": [plain(number) for number in cls.reported]}


def _dataset(cls: Any) -> dict[str, Any]:
    known = {name: getattr(cls, name, None) for name in ("num_classes", "shape")}
    return {"parameters": parameters(cls), **{name: plain(fact) for name, fact in known.items() if isinstance(fact, (int, tuple))},
            "recipe": asdict(cls.recipe), "finetune": asdict(cls.finetune)}


DETAILS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "methods": _method, "datasets": _dataset, "budgets": lambda budget: budget.to_json(), "suites": lambda path: {"path": str(path)},
    "protocols": lambda p: {"start": p.start, "epochs": p.formula, "charges_pruning": p.charges_pruning, "recalibrates": p.recalibrates},
    "metrics": lambda metric: {"unit": metric.unit, "better": metric.better}}


KEYS = ("dataset", "model", "target", "source", "note")  # of a reported row; the others are its numbers


def parameters(cls: Any) -> dict[str, Any]:
    """The fields that brackets set, by name, with their defaults; None where there is no default."""
    if not is_dataclass(cls):
        return {}
    defaults = {f.name: f.default if f.default_factory is MISSING else f.default_factory() for f in fields(cls) if f.init}
    return {name: None if value is MISSING else plain(value) for name, value in defaults.items()}


def about(offer: Offer) -> str:
    """What its author says: the docstring, or the text of a suite."""
    if offer.kind == "suites":
        return str(offer.value.read_text(encoding="utf-8"))
    own = offer.value if hasattr(offer.value, "__name__") else type(offer.value)
    return offer.doc if offer.kind in ("protocols", "budgets") else inspect.getdoc(own) or ""


def text(offer: Offer) -> str:
    """An offer for people."""
    said = {"from": origin(offer) if offer.plugin != "opened by name" else offer.plugin, "paper": offer.paper, **details(offer)}
    said.pop("name", None)
    reported = said.pop("reported", None)
    rows = [(key.replace("_", " "), words(value)) for key, value in said.items() if value not in ("", None, [], {}) and key != "parameters"]
    lines = [f"{offer.kind.removesuffix('s').replace('dataset', 'data set')} {offer.name}", *columns(rows)]
    if own := said.get("parameters"):
        lines += ["  parameters, with their defaults", *columns([(name, words(value)) for name, value in own.items()], indent="    ")]
    if reported:
        sources: dict[str, str] = {}
        cells = [line for row in reported for line in numbers(row, sources)]
        used = [i for i in range(4) if any(line[i] for line in cells)]
        lines += ["  reported, with the number of the source", *columns([[line[i] for i in used] for line in cells], indent="    ")]
        lines += [f"    {mark} {source}" for source, mark in sources.items()]
    return "\n".join([*lines, "", about(offer).rstrip()]).rstrip()


def numbers(row: Any, sources: dict[str, str]) -> list[tuple[str, str, str, str]]:
    """A row of reported numbers as (data set, model, target, numbers); tables inside it and its note on lines of their own.
    sources: what a source says -> its mark, "[1]"; new ones are added."""
    if not isinstance(row, dict):
        return [("", "", "", words(row))]

    def said(part: dict[str, Any]) -> str:
        plainly = [f"{key} {_number(value)}" for key, value in part.items() if key not in KEYS and (not isinstance(value, dict) or "mean" in value)]
        source = [sources.setdefault(part["source"], f"[{len(sources) + 1}]")] if "source" in part else []
        note = [f"({part['note']})"] if "note" in part and part is not row else []
        return " ".join([", ".join(plainly), *note, *source])
    lines = [(str(row.get("dataset", "")), str(row.get("model", "")), str(row.get("target", "")), said(row))]
    lines += [("", "", "", f"{key}: {said(value)}") for key, value in row.items() if isinstance(value, dict) and "mean" not in value]
    return [*lines, ("", "", "", str(row["note"]))] if "note" in row else lines


def _number(value: Any) -> str:
    """A number, or mean and spread."""
    if not isinstance(value, dict):
        return words(value)
    return f"{words(value['mean'])} ± {words(value['std'])}" if "std" in value else words(value["mean"])


def words(value: Any) -> str:
    """A value in the form that the command line takes."""
    if isinstance(value, dict):
        return " ".join(f"{key}={words(v)}" for key, v in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(map(words, value)) if value and isinstance(value[0], dict) else "/".join(map(words, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """`value` as JSON holds it."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, float, str, dict)) else str(value)
