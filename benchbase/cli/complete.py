"""What the shell completes: names of plugins, folders and files, without torch and without a word when something is wrong."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from benchbase.plugin.manager import Plugins

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[Any]]"]
OPENED = ("torchvision:", "timm:")  # models that have no list
WAYS = ("macs=0.5", "params=0.5", "compression=8", "0.5[round_to=8]")  # to say a budget
PATH = (".", "/", "~")  # how a path begins

def folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Folders, by the shell's own means."""
    return [item(incomplete, type="dir")]


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Files and folders, by the shell's own means."""
    return [item(incomplete, type="file")]


def methods(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Methods; after a bracket, the parameters with their defaults; a path where one begins."""
    if incomplete.startswith(PATH):
        return files(ctx, param, incomplete)
    return _said(lambda plugins: _with_parameters("methods", plugins, incomplete), incomplete)


def datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Data sets; after a bracket, the parameters with their defaults; with a colon those that take a path."""
    return _said(lambda plugins: _with_parameters("datasets", plugins, incomplete), incomplete)


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Listed models, and the libraries whose models have names of their own."""
    return _said(lambda plugins: [*_listed("models", plugins), *map(item, OPENED)], incomplete)


def budgets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Named budgets and the ways to say one; files where none is called so."""
    return _said(lambda plugins: [*_listed("budgets", plugins), *map(item, WAYS)], incomplete) or files(ctx, param, incomplete)


def suites(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Suites by name; files where none is called so."""
    return _said(lambda plugins: _listed("suites", plugins), incomplete) or files(ctx, param, incomplete)


def offered(*kinds: str) -> Completer:
    """What plugins offer of these kinds: names; of kinds without an argument, of every kind."""
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        from benchbase.plugin.offers import KINDS

        return _said(lambda plugins: [one for kind in kinds or KINDS for one in _listed(kind, plugins)], incomplete)
    return complete


def kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """The kinds of things that plugins offer."""
    from benchbase.plugin.offers import KINDS

    return [item(kind) for kind in KINDS if kind.startswith(incomplete)]


def plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Installed plugins by their entry points' names: none is imported."""
    from importlib.metadata import entry_points

    if incomplete.startswith(PATH):
        return files(ctx, param, incomplete)
    return [item(name) for name in sorted({point.name for point in entry_points(group="benchbase")}) if name.startswith(incomplete)]


def words(*known: str) -> Completer:
    """Words that are known beforehand, where others may stand as well."""
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        return [item(word) for word in known if word.startswith(incomplete)]
    return complete


def _said(ask: Callable[[Plugins], Iterable[CompletionItem[Any]]], incomplete: str) -> list[CompletionItem[Any]]:
    """What `ask` says of the installed plugins, as far as it begins like the word; nothing where they cannot be asked."""
    from benchbase.errors import BenchError
    from benchbase.plugin.manager import load_plugins

    try:
        return [one for one in ask(load_plugins()) if one.value.startswith(incomplete)]
    except BenchError:
        return []


def _listed(kind: str, plugins: Plugins) -> list[CompletionItem[Any]]:
    return [item(offer.name, help=(offer.doc or "").split(". ")[0][:80] or None) for offer in plugins.offers(kind)]


def _with_parameters(kind: str, plugins: Plugins, incomplete: str) -> Iterator[CompletionItem[Any]]:
    """Names; where a bracket is open, whole words with one parameter more, at its default."""
    from benchbase.cli.show import parameters, words as written

    head, bracket, inner = incomplete.partition("[")
    if not bracket:
        for offer, one in zip(plugins.offers(kind), _listed(kind, plugins)):
            yield item(f"{one.value}:", help=one.help) if kind == "datasets" and "path" in parameters(offer.value) else one
        return
    before, comma, _ = inner.rpartition(",")
    given = {part.partition("=")[0] for part in before.split(",")}
    for name, default in parameters(plugins.offer(kind, head.partition(":")[0]).value).items():
        if name not in given and name != "path":
            yield item(f"{head}[{before}{comma}{name}={'' if default is None else written(default)}]")


def item(value: str, **more: Any) -> CompletionItem[Any]:
    """One completion; click's module for them is imported only where there is something to complete."""
    from click.shell_completion import CompletionItem

    return CompletionItem(value, **more)
