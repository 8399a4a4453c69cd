"""`bench list`: what there is, and where it comes from."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import columns, out, print_json

if TYPE_CHECKING:
    from benchbase.plugin.manager import Offer, Plugins

KINDS = ("methods", "models", "datasets", "protocols", "metrics", "executors", "suites", "budgets")


@click.command("list")
@click.argument("kinds", nargs=-1, metavar="[KIND]...", shell_complete=complete.kinds)
@json_option
@traceback_option
def command(kinds: tuple[str, ...], as_json: bool) -> None:
    """List methods, models, data sets, protocols, metrics, executors, suites and budgets, with the package each comes from.

    KIND narrows it: methods, models, datasets, protocols, metrics, executors, suites, budgets. Plugins that cannot be loaded are listed
    last, with the last line of their error. Models of torchvision and timm have names of their own: torchvision:resnet18, timm:NAME.

    \b
    Examples:
      bench list
      bench list methods models
      bench list methods --json
    """
    from benchbase.plugin.manager import load_plugins

    plugins = load_plugins()
    offers = {kind: plugins.offers(kind) for kind in kinds or KINDS}
    if as_json:
        print_json({**{kind: [entry(offer) for offer in found] for kind, found in offers.items()}, "broken": broken(plugins)})
        return
    for kind, found in offers.items():
        if found or kinds:
            out(kind)
        for line in columns([(offer.name, origin(offer), offer.paper or offer.doc) for offer in found]):
            out(line)
        if not found and kinds:
            out("  none")
    if plugins.broken:
        out("plugins that cannot be loaded")
        for line in columns([(b.plugin, b.distribution or "", b.error) for b in plugins.broken]):
            out(line)


def entry(offer: Offer) -> dict[str, Any]:
    """An offer as plain data."""
    return {"name": offer.name, "plugin": offer.plugin, "distribution": offer.distribution, "version": offer.version, "paper": offer.paper,
            "doc": offer.doc}


def origin(offer: Offer) -> str:
    """The package and its version, and the plugin in it."""
    return f"{offer.distribution or 'a file'} {offer.version or ''}".strip() + f" ({offer.plugin})"


def broken(plugins: Plugins) -> list[dict[str, Any]]:
    """The plugins that cannot be loaded, as plain data."""
    return [{"plugin": b.plugin, "distribution": b.distribution, "error": b.error} for b in plugins.broken]
