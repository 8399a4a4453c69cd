"""What the shell completes: names of plugins, folders and files, without torch and without a word when something is wrong."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli.known import Known, known

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[Any]]"]
OPENED = ("torchvision:", "timm:")  # models that have no list
WAYS = ("macs=0.5", "params=0.5", "compression=8", "0.5[round_to=8]")  # to say a budget
PATH = (".", "/", "~")  # how a path begins
EVERY = ("methods", "models", "datasets", "protocols", "metrics", "executors", "suites", "budgets")


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
    return _with_parameters("methods", incomplete)


def datasets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Data sets; after a bracket, the parameters with their defaults; with a colon those that take a path."""
    return _with_parameters("datasets", incomplete)


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Listed models, and the libraries whose models have names of their own."""
    return [*_named(known("models"), incomplete), *_begun(OPENED, incomplete)]


def budgets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Named budgets and the ways to say one; files where none is called so."""
    return [*_named(known("budgets"), incomplete), *_begun(WAYS, incomplete)] or files(ctx, param, incomplete)


def suites(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Suites by name; files where none is called so."""
    return _named(known("suites"), incomplete) or files(ctx, param, incomplete)


def offered(*kinds: str) -> Completer:
    """What plugins offer of these kinds: names; of kinds without an argument, of every kind."""
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        return _named(known(*(kinds or EVERY)), incomplete)
    return complete


def kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """The kinds of things that plugins offer."""
    return _begun(EVERY, incomplete)


def plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Installed plugins by their entry points' names: none is imported."""
    from benchbase.cli.plugins import names

    return files(ctx, param, incomplete) if incomplete.startswith(PATH) else _begun(names(), incomplete)


def words(*choice: str) -> Completer:
    """Words that are known beforehand, where others may stand as well."""
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
        return _begun(choice, incomplete)
    return complete


def _begun(words: Iterable[str], incomplete: str) -> list[CompletionItem[Any]]:
    """Those that begin like the word."""
    return [item(word) for word in words if word.startswith(incomplete)]


def _named(offers: Iterable[Known], incomplete: str) -> list[CompletionItem[Any]]:
    """Names with what they are."""
    return [item(offer.name, help=offer.help or None) for offer in offers if offer.name.startswith(incomplete)]


def _with_parameters(kind: str, incomplete: str) -> list[CompletionItem[Any]]:
    """Names; where a bracket is open, whole words with one parameter more, at its default."""
    head, bracket, inner = incomplete.partition("[")
    if not bracket:
        return _named((replace(offer, name=f"{offer.name}:") if kind == "datasets" and "path" in offer.parameters else offer for offer in known(kind)), incomplete)
    before, comma, _ = inner.rpartition(",")
    given = {"path", *(part.partition("=")[0] for part in before.split(","))}
    own = next((offer.parameters for offer in known(kind) if offer.name == head.partition(":")[0]), {})
    return _begun((f"{head}[{before}{comma}{name}={default}]" for name, default in own.items() if name not in given), incomplete)


def item(value: str, **more: Any) -> CompletionItem[Any]:
    """One completion; click's module for them is imported only where there is something to complete."""
    from click.shell_completion import CompletionItem

    return CompletionItem(value, **more)
