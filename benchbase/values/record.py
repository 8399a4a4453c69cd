"""Records on disk: keys, paths, atomic writing that never overwrites, strict reading.

A leaderboard folder holds v1/records/<dataset>/<model>/<method>/<key>.json, failed cells in failed/ beside them. The records are the only
source of truth: tables, page and index are derived from them.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from benchbase.errors import BenchError
from benchbase.values.architecture import architecture_of
from benchbase.values.bits import count_bits, pack_bits, unpack_bits
from benchbase.values.bounded import inside, read_bytes
from benchbase.values.budget import Budget
from benchbase.values.digest import digest
from benchbase.values.record_fields import Failure, Record, scrub
from benchbase.values.written import is_there, write_text

MAX_BYTES = 32 << 20
SCHEMA = Path(__file__).with_name("record.schema.json")
VOLATILE = ("latency_ratio", "extra")  # of the metrics: time, and what plugins that happen to be installed measure
MAX_REPRODUCTIONS = 10_000
Kind = TypeVar("Kind", Record, Failure)

__all__ = ["Failure", "Record", "consistent", "failure_of", "key_of", "load_failures", "load_records", "pack_bits", "parse",
           "path_of", "read", "record_of", "records_folder", "same", "schema_text", "scrub", "to_text", "unpack_bits", "write", "write_again",
           "write_text"]


def key_of(*, dataset: Any, model: str, method: Any, budget: Any, protocol: str, seed: int, recipe: Any, finetune_recipe: Any,
           protocol_version: int = 1, **rest: Any) -> str:
    """sha256 of what was asked, as it stands in the record: no device, no versions, no result.

    Takes the fields of a record as plain data, as values (Budget, Recipe) or as models; `rest` is ignored, so that
    key_of(**data) works. Of the method name, version, params and, for one out of a file, its source; of the budget all but its name.
    """
    data, who = _plain(dataset), _plain(method)
    said = {k: v for k, v in _plain(budget).items() if k != "name"}
    identity = {"name": who["name"], "version": who.get("version", 1), "params": who.get("params", {})}
    if who.get("source"):
        identity["source"] = who["source"]
    return digest({"dataset": {"name": data["name"], "fingerprint": data["fingerprint"]}, "model": model, "method": identity, "budget": said,
                   "protocol": protocol, "seed": seed, "recipe": _plain(recipe), "finetune_recipe": _plain(finetune_recipe),
                   "protocol_version": protocol_version})


def record_of(data: Mapping[str, Any]) -> Record:
    """The Record in plain data (values and models may stand in it); `key` is computed where it is missing."""
    return _made(Record, data)


def failure_of(data: Mapping[str, Any]) -> Failure:
    """The Failure in plain data; paths are cut out of its texts, `key` is computed where it is missing."""
    texts = {name: scrub(str(data.get(name, "")), 2000) for name in ("message", "traceback")}
    return _made(Failure, {"protocol": "", **data, **texts})


def path_of(record: Record | Failure) -> PurePosixPath:
    """records/<dataset>/<model>/<method>/<key>.json, every part safe as a name of a folder on any system."""
    parts = [_part(name) for name in (record.dataset.name, record.model, record.method.name)]
    failed = ["failed"] if isinstance(record, Failure) else []
    return PurePosixPath("records", *parts, *failed, f"{record.key}.json")


def same(one: Record | Failure, two: Record | Failure) -> bool:
    """Whether two records of one key say the same: equal digests, metrics and bits, whenever, wherever and how fast they were made."""
    if isinstance(one, Failure) or isinstance(two, Failure):
        return type(one) is type(two) and (one.key, one.kind, one.message) == (two.key, two.kind, two.message)  # type: ignore[union-attr]
    drop = set(VOLATILE)
    return (one.key, one.digests, one.correct, one.unpruned, one.sparse_base) == (two.key, two.digests, two.correct, two.unpruned, two.sparse_base) \
        and one.metrics.model_dump(exclude=drop) == two.metrics.model_dump(exclude=drop)


def write(record: Record | Failure, leaderboard: str | Path) -> Path:
    """Write a record below `leaderboard`/v<protocol_version> and return where it is.

    An equal one is left alone; a different one of the same key is a reproduction, <key>.1.json and so on. Nothing is overwritten, and
    a file is there whole or not at all. BenchError where the folder cannot be written or the record contradicts itself.
    """
    if isinstance(record, Record) and (wrong := consistent(record)):
        raise BenchError(f"record {record.key[:12]} contradicts itself: {wrong[0]}", "this is a bug of the harness or a plugin: please report it",
                         kind="infra_error")
    first = Path(leaderboard) / f"v{record.protocol_version}" / path_of(record)
    text = to_text(record)
    for n in range(MAX_REPRODUCTIONS):
        path = first.with_name(f"{record.key}.{n}.json") if n else first
        if not is_there(path):
            with contextlib.suppress(FileExistsError):
                write_text(path, text, fresh=True)
                return path
        there = read(path, Record) if isinstance(record, Record) else read(path, Failure)
        if same(there, record):
            return path
    raise BenchError(f"{first} has {MAX_REPRODUCTIONS} reproductions", "move some of them away")


def write_again(record: Record, first: Path) -> Path:
    """Write a reproduction beside the record that it repeats, as the next free <key>.<n>.json, though it say the same; where it is."""
    text = to_text(record)
    for n in range(1, MAX_REPRODUCTIONS):
        path = first.with_name(f"{record.key}.{n}.json")
        if not is_there(path):
            with contextlib.suppress(FileExistsError):
                write_text(path, text, fresh=True)
                return path
    raise BenchError(f"{first} has {MAX_REPRODUCTIONS} reproductions", "move some of them away")


def to_text(record: Record | Failure) -> str:
    """The bytes of a record's file, a function of its content alone."""
    return json.dumps(record.model_dump(mode="json", by_alias=True), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=True) + "\n"


def read(path: str | Path, kind: type[Kind] = Record) -> Kind:  # type: ignore[assignment]
    """The record in a file. BenchError naming the file and the field that is wrong."""
    return parse(read_bytes(Path(path), MAX_BYTES), kind, str(path))


def parse(raw: bytes, kind: type[Kind] = Record, name: str = "record") -> Kind:  # type: ignore[assignment]
    """The record in the bytes of a file. BenchError naming the field that is wrong, and the file as `name`."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise BenchError(f"{name}: {_first(error)}", "records are written by `bench run`; take this file away or mend the field") from None


def load_records(path: str | Path) -> list[Record]:
    """All records in a file, a folder, or a leaderboard (DIR or DIR/v1), in the order of their paths. Failed cells are not among them."""
    return [read(file, Record) for file in _files(Path(path), failed=False)]


def load_failures(path: str | Path) -> list[Failure]:
    """All failed cells below a folder or a leaderboard, in the order of their paths."""
    return [read(file, Failure) for file in _files(Path(path), failed=True)]


def records_folder(path: Path) -> Path:
    """The folder of records in a leaderboard (DIR or DIR/v1); `path` itself where it is none."""
    return next((folder for folder in (path / "v1" / "records", path / "records") if folder.is_dir()), path)


def consistent(record: Record) -> list[str]:
    """What in a record contradicts itself, in words; empty when nothing does. The values alone were checked when it was made."""
    m, base, wrong = record.metrics, record.unpruned, []
    if record.key != key_of(**_fields(record)):
        wrong.append("key is not the digest of what was asked")
    try:
        right = count_bits(record.correct, record.test_images)
        if abs(m.top1 - 100 * right / record.test_images) > 1e-6:
            wrong.append(f"metrics.top1 is {m.top1}, the bits say {100 * right / record.test_images}")
    except ValueError as error:
        wrong.append(f"correct: {error}")
    try:
        if architecture_of(record.architecture.model_dump(mode="json")).digest != record.digests.architecture:
            wrong.append("digests.architecture is not that of architecture")
    except BenchError as error:
        wrong.append(error.what)
    if record.architecture.model != record.model:
        wrong.append("architecture.model is another model")
    for name, net in (("metrics", m), ("unpruned", base), ("sparse_base", record.sparse_base)):
        if net is not None and (net.nonzero > net.params or net.macs_nonzero > net.macs):
            wrong.append(f"{name}: more is not zero than there is")
        if net is not None and net.top5 is not None and net.top5 < net.top1:
            wrong.append(f"{name}.top5 is below top1")
    if m.params > base.params or m.macs > base.macs:
        wrong.append("the pruned network is larger than the unpruned one")
    return wrong


def schema_text() -> str:
    """The JSON Schema of a record, as published in record.schema.json beside this module."""
    schema = Record.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=1, sort_keys=True) + "\n"


def _made(kind: type[Kind], data: Mapping[str, Any]) -> Kind:
    """Through JSON text, so that a record just made has passed what a file must pass."""
    try:
        plain = {name: _plain(value) for name, value in data.items()}
        text = json.dumps(plain if "key" in plain else {**plain, "key": key_of(**plain)}, allow_nan=False, default=_plain)
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise BenchError(f"not a record: {_first(error)}", "this is a bug of the harness or a plugin: please report it", kind="infra_error") from None
    except (KeyError, TypeError, ValueError) as error:
        raise BenchError(f"not a record: {type(error).__name__} {error}", "this is a bug of the harness or a plugin: please report it",
                         kind="infra_error") from None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Budget) or hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _fields(record: Record | Failure) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).model_fields}


def _first(error: ValidationError) -> str:
    """The first problem: where, and what."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:60] for part in problem["loc"][:6])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where or 'file'}: {problem['msg']}{more}".replace("\n", " ")


def _part(name: str) -> str:
    """A name as one component of a path: never empty, hidden, '..', too long, or the folder of failures."""
    safe = re.sub(r"[^A-Za-z0-9._+=,@\[\]-]", "-", name).rstrip(".")
    if len(safe) > 100:
        safe = f"{safe[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    if not safe or safe.startswith(".") or safe == "failed":
        safe = f"_{safe.lstrip('.')}"
    return safe


def _files(path: Path, failed: bool) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise BenchError(f"there are no records at {path}", "name a record, a folder of records or a leaderboard")
    folder = records_folder(path)
    found = [file.relative_to(folder) for file in folder.rglob("*.json")]
    for file in sorted(found, key=lambda f: f.as_posix()):
        if (file.parent.name == "failed") == failed:
            yield inside(folder / file, folder)
