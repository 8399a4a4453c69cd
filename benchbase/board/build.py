"""From a leaderboard's records to the files derived from them."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase.board import markdown
from benchbase.board.document import to_json
from benchbase.board.page.html import block, render
from benchbase.board.reported import Cited
from benchbase.board.table import Table, tables
from benchbase.board.tier import tiers_of
from benchbase.errors import BenchError
from benchbase.values.written import remove_asides, write_text

if TYPE_CHECKING:
    from benchbase.values.record import Failure, Record

__all__ = ["build", "load", "to_json"]


def load(leaderboard: str | Path, defaults: Mapping[str, Mapping[str, Any]] | None = None) -> list[Table]:
    """The tables of a leaderboard (DIR or DIR/v1), of a folder of records or of one record. BenchError where there are none to read.

    defaults: as in `tables`.
    """
    records, repeats, failures = _read(Path(leaderboard))
    return tables(records, failures, repeats, defaults)


def build(leaderboard: str | Path, cited: Mapping[str, Cited] | None = None) -> list[Path]:
    """Write README.md, index.json and index.html beside the records of a leaderboard; return where they are.

    They are functions of the records alone, byte for byte; the page also shows what `cited`, method -> its paper, has to say. BenchError for a
    record that cannot be read or a folder that cannot be written: nothing is half-written then. What processes have left that died over a record
    is removed, an hour after. 40 kB a record in memory, for records of small networks.
    """
    folder = records_of(leaderboard)
    remove_asides(folder.parent)
    texts = derived(*_read(folder), cited)
    for name, text in texts.items():
        write_text(folder.parent / name, text)
    return [folder.parent / name for name in texts]


def records_of(leaderboard: str | Path) -> Path:
    """The folder of records of a leaderboard. BenchError where it has none."""
    from benchbase.values.record import records_folder

    folder = records_folder(Path(leaderboard))
    if folder.name != "records" or not folder.is_dir():
        raise BenchError(f"{leaderboard} is no leaderboard: there is no folder v1/records in it",
                         "name one, or make one with `bench run --leaderboard`")
    return folder


def derived(records: Iterable[Record], repeats: Iterable[Record], failures: Iterable[Failure],
            cited: Mapping[str, Cited] | None = None) -> dict[str, str]:
    """File -> text of all that is derived from records, reproductions and failures, and stands beside them."""
    records, repeats, failures = list(records), list(repeats), list(failures)
    made = tables(records, failures, repeats)
    return {"README.md": markdown.render(made), "index.json": index(made, records, repeats, failures), "index.html": render(made, cited)}


def as_derived(name: str, raw: bytes, text: str) -> bool:
    """Whether a derived file says what the records give: `raw` is `text`, or of the page, whose looks and citations are not theirs, has its data."""
    if name != "index.html":
        return raw == text.encode()
    try:
        return block(raw.decode()) == block(text)
    except (BenchError, UnicodeDecodeError):
        return False


def sorted_out(found: Iterable[Record]) -> tuple[list[Record], list[Record]]:
    """Records and reproductions, of records in the order of their paths: of one key the last counts, <key>.1.json comes before <key>.json."""
    found = list(found)
    first = {r.key: r for r in found}
    counts = {id(r) for r in first.values()}
    return list(first.values()), [r for r in found if id(r) not in counts]


def index(made: Sequence[Table], records: Iterable[Record], repeats: Iterable[Record], failures: Iterable[Failure]) -> str:
    """index.json: the tables, and one line for each record, reproduction and failure with what it says in short and where it lies."""
    from benchbase.values.record import path_of

    def line(item: Any, **more: Any) -> dict[str, Any]:
        return {"folder": path_of(item).parent.as_posix(), "key": item.key, "dataset": item.dataset.name, "model": item.model,
                "method": item.method.name, "budget": item.budget.get("name", ""), "protocol": item.protocol, "seed": item.seed, **more}

    def told(items: Iterable[Record], tiers: Mapping[int, str]) -> list[dict[str, Any]]:
        return [line(r, top1=round(r.metrics.top1, 6), final=r.digests.final, started=r.started, tier=tiers[id(r)]) for r in items]

    records, repeats = list(records), list(repeats)
    body = {"records": told(records, tiers_of(records, repeats)), "reproductions": told(repeats, tiers_of(repeats, ())),
            "failures": [line(f, kind=f.kind) for f in failures]}
    ordered = {name: map(_compact, sorted(lines, key=_place)) for name, lines in body.items()}
    parts = [f'"{name}": [\n' + ",\n".join(lines) + "\n]" for name, lines in (*ordered.items(), ("tables", map(_compact, to_json(made)["tables"])))]
    return "{\n" + ",\n".join(['"protocol_version": 1', *parts]) + "\n}\n"


def _read(path: Path) -> tuple[list[Record], list[Record], list[Failure]]:
    """Records, reproductions and failures below a path. <key>.json is the record and <key>.<n>.json repeat it, whatever they say of their dates."""
    from benchbase.values.record import load_failures, load_records

    return *sorted_out(load_records(path)), [] if path.is_file() else load_failures(path)


def _place(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return *(line[name] for name in ("folder", "budget", "protocol", "seed", "key")), line.get("started", ""), line.get("final", "")


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
