"""`bench store push` and `bench store pull`: stages to and from an object store."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from benchbase.cli.options import json_option, store_option, traceback_option
from benchbase.cli.output import count, out, print_json
from benchbase.errors import BenchError


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
    _copy("pushed", url, keys, store, as_json)


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
    _copy("pulled", url, keys, store, as_json)


def _copy(verb: str, url: str, beginnings: Sequence[str], store: str | None, as_json: bool) -> None:
    from benchbase.flow.inventory import DONE, inventory
    from benchbase.flow.remote import chosen, copied, remote_at
    from benchbase.flow.settings import settings_of
    from benchbase.flow.store import Store

    remote, here = remote_at(url), Store(settings_of(store).store)
    if verb == "pushed" and not here.root.is_dir():
        raise BenchError(f"there is no store at {here.root}", "check the path, or leave --store out")
    keys, copy = ([k.key for k in inventory(here) if k.state == DONE], remote.push) if verb == "pushed" else (remote.keys(), remote.pull)
    moved, there = copied(chosen(keys, beginnings, str(here.root) if verb == "pushed" else url), lambda key: copy(here, key))
    document: dict[str, Any] = {"store": str(here.root), "url": url, verb: moved, "there": there}
    if as_json:
        print_json(document)
    else:
        out(f"{verb} {count(len(moved), 'stage')}; {len(there):,} were there")
