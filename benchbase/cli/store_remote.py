"""`bench store push` and `bench store pull`: stages to and from an object store."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from benchbase.cli.options import json_option, store_option, traceback_option
from benchbase.cli.output import count, out, print_json
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.flow.remote import Remote
    from benchbase.flow.store import Store


@click.command("push", short_help="Copy finished stages to an object store.")
@click.argument("url")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@store_option
@json_option
@traceback_option
def push(url: str, keys: Sequence[str], store: str | None, as_json: bool) -> None:
    """Copy finished stages to URL (s3://BUCKET/PREFIX, file:///DIR, whatever fsspec reaches): all, or those whose keys begin so. What is there
    stays; each is read back and compared with its digest, and counts as there only then.

    \b
    Example:
      bench store push s3://bucket/store
    """
    from benchbase.flow.inventory import DONE, inventory
    from benchbase.flow.remote import chosen, copied

    remote, here = _ends(url, store)
    if not here.root.is_dir():
        raise BenchError(f"there is no store at {here.root}", "check the path, or leave --store out")
    asked = chosen([kept.key for kept in inventory(here) if kept.state == DONE], keys, str(here.root))
    _tell("pushed", url, here, copied(asked, lambda key: remote.push(here, key)), as_json)


@click.command("pull", short_help="Copy finished stages from an object store.")
@click.argument("url")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@store_option
@json_option
@traceback_option
def pull(url: str, keys: Sequence[str], store: str | None, as_json: bool) -> None:
    """Copy finished stages from URL: all, or those whose keys begin so. What is here stays; what is not as it was pushed is refused.

    \b
    Example:
      bench store pull s3://bucket/store
    """
    from benchbase.flow.remote import chosen, copied

    remote, here = _ends(url, store)
    _tell("pulled", url, here, copied(chosen(remote.keys(), keys, url), lambda key: remote.pull(here, key)), as_json)


def _ends(url: str, store: str | None) -> tuple[Remote, Store]:
    from benchbase.flow.remote import remote_at
    from benchbase.flow.settings import settings_of
    from benchbase.flow.store import Store

    return remote_at(url), Store(settings_of(store).store)


def _tell(verb: str, url: str, here: Store, came: tuple[list[str], list[str]], as_json: bool) -> None:
    moved, there = came
    if as_json:
        print_json({"store": str(here.root), "url": url, verb: moved, "there": there})
    else:
        out(f"{verb} {count(len(moved), 'stage')}; {len(there):,} were there")
