"""What installed plugins offer, in the few words that a shell completes; kept from one command to the next, since to import every plugin takes longer than people
wait for a Tab.

Only what is quick to import is imported here: click completes in about a tenth of a second, of which this module's reading is some milliseconds.
"""
from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Known:
    """One offer of a plugin: its name, what it is, and the fields that brackets set with their defaults in the form the command line takes."""

    name: str
    help: str
    parameters: dict[str, str]


def known(*kinds: str) -> list[Known]:
    """The offers of these kinds, plugin by plugin; none of a kind in which two plugins offer one name, or where plugins cannot be loaded."""
    def sound(offers: Any) -> bool:
        return all(isinstance(offer, list) and len(offer) == 3 for listed in offers.values() for offer in listed)

    offers = kept("offers", _asked, sound)
    return [Known(*offer) for kind in kinds for offer in offers.get(kind, ())]


def kept(name: str, ask: Callable[[], tuple[Any, Iterable[Path]]], sound: Callable[[Any], bool]) -> Any:
    """What `ask` says, out of the user's cache folder as long as neither the environment nor a file has changed that it says it by.

    sound: whether what was read has the form of what `ask` says; the errors of looking at something else are caught. What names no file is never kept:
    nothing would tell when it stops to hold.
    """
    place = _place(name)
    table = _read(place, sound)
    if table is None:
        value, files = ask()
        table = {"environment": _environment(), "files": {str(path): _state(path) for path in sorted(files)}, "value": value}
        if place is not None and table["files"]:
            _write(place, table)
    return table["value"]


def _asked() -> tuple[dict[str, Any], set[Path]]:
    """The offers of the installed plugins by kind, and the files that they come from."""
    from benchbase.cli.show import parameters, words
    from benchbase.errors import BenchError
    from benchbase.plugin.manager import load_plugins
    from benchbase.plugin.offers import KINDS

    offers: dict[str, list[list[Any]]] = {}
    try:
        plugins = load_plugins()
    except BenchError:
        return offers, set()
    for kind in KINDS:
        try:
            offers[kind] = [[offer.name, (offer.doc or "").split(". ")[0][:80],
                             {name: "" if default is None else words(default) for name, default in parameters(offer.value).items()}]
                            for offer in plugins.offers(kind)]
        except BenchError:
            offers[kind] = []
    beside = [Path(file).parent for plugin in plugins.loaded.plugins if (file := getattr(plugin.module, "__file__", None)) and hasattr(plugin.module, "__path__")]
    return offers, {*_modules(), *(path for offer in plugins.every("suites") for path in (offer.value, offer.value.parent)),
                    *beside, *(file for folder in beside for file in folder.iterdir() if file.is_file())}


def _modules() -> set[Path]:
    """The files of all modules that are imported by now."""
    return {Path(file) for module in list(sys.modules.values()) if isinstance(file := getattr(module, "__file__", None), str)}


def _environment() -> list[Any]:
    """What decides which plugins are installed: this Python, the folders that it imports from with their last change, and the ones to load."""
    return [sys.version, os.environ.get("BENCH_PLUGINS", ""), [[folder, _state(folder)] for folder in sys.path]]


def _state(path: str | Path) -> list[int] | None:
    """When it was last changed, and its size; None for what is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_mtime_ns, found.st_size]


def _place(name: str) -> Path | None:
    """Where it is kept: in the user's cache folder."""
    from platformdirs import user_cache_path

    try:
        return user_cache_path("benchbase", appauthor=False) / f"{name}.json"
    except (OSError, RuntimeError):  # a user without a home
        return None


def _read(place: Path | None, sound: Callable[[Any], bool]) -> dict[str, Any] | None:
    """What was kept, if it still holds: the same environment, and no file that it comes from has changed."""
    try:
        table: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place else {}
        same = table["environment"] == _environment() and all(_state(path) == state for path, state in table["files"].items())
        return table if table["files"] and same and sound(table["value"]) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _write(place: Path, table: dict[str, Any]) -> None:
    """Keep it, whole or not at all; a folder that cannot be written keeps nothing."""
    aside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(table), encoding="utf-8")
        os.replace(aside, place)
    except OSError:
        pass
