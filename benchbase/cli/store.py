"""`bench store`: what lies in the store, what of it may go, what of it is damaged."""
from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, store_option, traceback_option
from benchbase.cli.output import bytes_text, columns, count, out, print_json, seconds_text
from benchbase.cli.store_remote import pull, push
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.flow.inventory import Kept
    from benchbase.flow.store import Store

SHOWN = 30  # lines of `ls` without --all
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
dry_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
boards_option = click.option("--leaderboard", "boards", multiple=True, metavar="DIR", shell_complete=complete.folders,
                             help="Records that say which results are in use. Repeatable.  "
                             "[default: ./leaderboard, where there is one]")


@click.group("store", context_settings={"help_option_names": ["-h", "--help"]})
@traceback_option
def command() -> None:
    """Look after the store: the folder of finished stages, from which nothing is trained twice.

    \b
    Examples:
      bench store ls
      bench store gc --dry-run
      bench store verify
    """


@command.command("ls", short_help="List what is there: sizes, and what refers to what.")
@store_option
@boards_option
@click.option("--all", "every", is_flag=True, help=f"Every folder, not only the {SHOWN} largest.")
@json_option
@traceback_option
def ls(store: str | None, boards: Sequence[str], every: bool, as_json: bool) -> None:
    """List the stages in the store, the largest first: kind, size, age, how many stages were made from each, and how many records hold its result.

    \b
    Examples:
      bench store ls
      bench store ls --all --json
    """
    root, items = _opened(store, boards)
    if as_json:
        print_json({"store": str(root.root), "bytes": sum(k.size for k in items), "stages": [_plain(k) for k in items]})
        return
    out(f"{root.root}: {count(len(items), 'folder')}, {bytes_text(sum(k.size for k in items))}")
    for line in columns(_summary(items)):
        out(line)
    shown = items if every else items[:SHOWN]
    if shown:
        out()
    for line in columns([("key", "what", "size", "age", "made from it", "records"), *map(_row, shown)] if shown else []):
        out(line)
    if len(shown) < len(items):
        out(f"  and {len(items) - len(shown)} smaller ones: --all lists them")


@command.command("gc", short_help="Remove what no run would read; more where asked.")
@store_option
@boards_option
@click.option("--unpublished", "-u", "unpublished_too", is_flag=True, help="Also finished stages that no record stands on.")
@click.option("--failed", is_flag=True, help="Also what is remembered of failures, so that they are tried again.")
@click.option("--older-than", metavar="30d", help="Of these, and of checkpoints, only what has not changed for so long (m, h, d, w).")
@dry_option
@json_option
@traceback_option
def gc(store: str | None, boards: Sequence[str], unpublished_too: bool, failed: bool, older_than: str | None, dry_run: bool, as_json: bool) -> None:
    """Remove what no run would read: what processes that died have left, damaged stages and those set aside, checkpoints of trainings that are done.

    With --unpublished finished stages go too, unless a record of the leaderboards stands on them; a run that needs one again makes it again.
    With --older-than checkpoints of interrupted trainings go as well. Stages that a running process holds stay, and --unpublished
    waits for runs to end.

    \b
    Examples:
      bench store gc --dry-run
      bench store gc --unpublished --leaderboard leaderboard --older-than 30d
    """
    from benchbase.flow.inventory import CHECKPOINT, FAILURE, busy, remove, rubbish, unpublished

    age = _age(older_than)
    root, items = _opened(store, boards, needed=True) if unpublished_too else _opened(store, None)
    if unpublished_too and not dry_run and root.root.is_dir() and busy(root):
        raise BenchError("a run is using this store", "wait for it, or leave --unpublished out")
    old = {id(k) for k in items if time.time() - k.when >= age}
    chosen = {id(k): k for k in rubbish(items)}
    more = [*(unpublished(items) if unpublished_too else ()), *(k for k in items if failed and k.state == FAILURE),
            *(k for k in items if older_than and k.state == CHECKPOINT)]
    chosen |= {id(k): k for k in more if id(k) in old}
    todo = list(chosen.values())
    gone, held = (todo, []) if dry_run else remove(root, todo)
    if as_json:
        print_json({"store": str(root.root), "dry_run": dry_run, "bytes": sum(k.size for k in gone), "removed": [_plain(k) for k in gone],
                    "in_use": [_plain(k) for k in held]})
        return
    for line in columns([_row(k)[:4] for k in gone]):
        out(line)
    if silent := sum(k.needs is None for k in items) * unpublished_too:
        out(f"{count(silent, 'older stage')} stay: what they were made from is not told")
    out(f"{'would remove' if dry_run else 'removed'} {count(len(gone), 'folder')}, {bytes_text(sum(k.size for k in gone))}")
    if held:
        out(f"{count(len(held), 'folder')} stay: a running process holds them")


@command.command("verify", short_help="Read every file and compare it with its digest.")
@store_option
@dry_option
@json_option
@traceback_option
def verify(store: str | None, dry_run: bool, as_json: bool) -> int:
    """Read all weights and compare them with the digests they were written with. A damaged stage is set aside, so that the next run makes it
    again; `bench store gc` removes it. The exit code is 1 where something was damaged.

    \b
    Example:
      bench store verify
    """
    from benchbase.flow.inventory import DONE, faults, set_aside

    root, items = _opened(store, None)
    found = list(faults(root, items))
    moved, held = ([], []) if dry_run else set_aside(root, [k for k, _ in found])
    if as_json:
        print_json({"store": str(root.root), "checked": sum(k.state == DONE for k in items), "dry_run": dry_run, "set_aside": [_plain(k) for k in moved],
                    "in_use": [_plain(k) for k in held], "damaged": [{**_plain(k), "why": why} for k, why in found]})
        return int(bool(found))
    for item, why in found:
        out(f"damaged: {item.key[:12]} {item.kind}: {why}".replace(" :", ":"))
    out(f"{count(sum(k.state == DONE for k in items), 'stage')} checked, {len(found)} damaged{', set aside' if moved else ''}")
    if held:
        out(f"{count(len(held), 'folder')} stay: a running process holds them")
    return int(bool(found))


def _opened(store: str | None, boards: Sequence[str] | None, needed: bool = False) -> tuple[Store, list[Kept]]:
    """The store, and what lies in it. boards: folders of records, None where no one asks.  needed: BenchError where there are none to go by."""
    from benchbase.flow.inventory import inventory
    from benchbase.flow.settings import settings_of
    from benchbase.flow.store import Store

    root = Store(settings_of(store).store)
    if store and not root.root.exists():
        raise BenchError(f"there is no store at {root.root}", "check the path, or leave --store out")
    folders = [Path(b) for b in boards or ()]
    if boards is not None and not folders and Path("leaderboard").is_dir():
        folders = [Path("leaderboard")]
    if needed and not folders:
        raise BenchError("no records say what is in use", "name their folder with --leaderboard")
    return root, inventory(root, folders)


def _age(text: str | None) -> float:
    """Seconds in "30d"."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text or "0m", re.ASCII)
    if match is None:
        raise BenchError(f"--older-than {text!r} is no time", "write it like 12h, 30d or 8w")
    return int(match[1]) * UNITS[match[2]]


def _summary(items: Sequence[Kept]) -> list[tuple[str, str, str]]:
    """(what, how many, how large), one line for each kind of stage and each other state."""
    sums: dict[str, tuple[int, int]] = {}
    for item in items:
        number, size = sums.get(_what(item), (0, 0))
        sums[_what(item)] = number + 1, size + item.size
    return [(what, f"{number:,}", bytes_text(size)) for what, (number, size) in sorted(sums.items(), key=lambda pair: -pair[1][1])]


def _what(item: Kept) -> str:
    return item.kind if item.state == "done" else item.state


def _row(item: Kept) -> tuple[str, ...]:
    return (item.key[:12], _what(item) + (f" ({item.kind})" if item.state == "failed" else ""), bytes_text(item.size),
            seconds_text(max(time.time() - item.when, 0)), str(item.wanted or ""), str(item.records or ""))


def _plain(item: Kept) -> dict[str, Any]:
    return {"key": item.key, "state": item.state, "kind": item.kind, "bytes": item.size, "seconds": item.seconds, "changed": round(item.when, 3),
            "digest": item.made, "needs": None if item.needs is None else list(item.needs), "made_from_it": item.wanted, "records": item.records}


command.add_command(push)
command.add_command(pull)
