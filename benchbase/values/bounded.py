"""Files of strangers, read within bounds: how large, how deep, plain data only, and nothing but plain files of the folder they lie in."""
from __future__ import annotations

import json
import math
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError

MAX_DEPTH = 24  # of tables and lists within each other
MAX_DIGITS = 40  # of a whole number
MAX_NODES = 20_000  # of a YAML file with its aliases written out
MAX_YAML = 256 << 10


def read_bytes(path: Path, limit: int, todo: str = "check the path", within: Path | None = None) -> bytes:
    """The bytes of a plain file. within: the folder that it may not leave, not even by a link.

    BenchError for what is missing, no plain file (a pipe would wait for ever), larger than `limit`, or somewhere else.
    """
    if within is not None:
        inside(path, within)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise BenchError(f"cannot read {path}: it is no plain file", todo)
        if found.st_size <= limit:
            with path.open("rb") as file:
                raw = file.read(limit + 1)
            if len(raw) <= limit:
                return raw
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise BenchError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}", todo) from None
    raise BenchError(f"{path} is larger than {limit} bytes", "this is no file of ours: check the path")


def inside(path: Path, folder: Path) -> Path:
    """`path`, which does not leave `folder` by .. or a link. Raises BenchError where it does."""
    try:
        stays = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # links in a circle
        stays = False
    if not stays:
        raise BenchError(f"{path} is a link that leaves its folder", "put the file itself there")
    return path


def json_of(raw: bytes | str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None, finite: bool = True) -> Any:
    """The plain data in JSON text, of a depth that one can follow, numbers short and finite. Raises ValueError for anything else.

    pairs: makes each table out of its keys and values.  finite: False where infinities and nan have a meaning, as in a callback's state.
    """
    try:
        data = json.loads(raw, object_pairs_hook=pairs, parse_constant=_no_number if finite else float, parse_float=_finite if finite else float,
                          parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _deep(data):
        raise ValueError("nested too deeply")
    return data


def yaml_of(raw: bytes) -> Any:
    """The plain data in YAML text: no tags; aliases, as long as what they stand for stays small. What reads it judges numbers, .nan among them.

    Raises yaml.YAMLError for what is not YAML, ValueError for what is and does not belong here.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = raw.decode("utf-8")  # a UnicodeDecodeError is a ValueError
    try:
        _bounded(yaml, yaml.parse(text, Loader=loader))
        data = yaml.load(text, Loader=loader)  # a safe loader: plain data only
    except (RecursionError, OverflowError):
        raise ValueError("nested too deeply, or a number is too large") from None
    _short(data)
    return data


def _bounded(yaml: Any, events: Any) -> None:
    """Raise ValueError where the text has a tag, is deep, or says more than MAX_NODES once its aliases are written out."""
    total, open_ = 0, list[Any]()
    sizes: dict[Any, Any] = {}
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            anchor = event.anchor
            if isinstance(event, yaml.AliasEvent):
                if anchor not in sizes:
                    raise ValueError(f"the alias *{anchor[:40]} stands for nothing above it")
                total += sizes[anchor]
            else:
                if event.tag is not None and event.tag != "!":
                    raise ValueError(f"it has the tag {event.tag[:60]}")
                total += 1
                if isinstance(event, yaml.CollectionStartEvent):
                    open_.append((anchor, total))
                elif anchor:
                    sizes[anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = total - before + 1
        if total > MAX_NODES or len(open_) > MAX_DEPTH:
            raise ValueError("nested too deeply" if len(open_) > MAX_DEPTH else f"it says more than {MAX_NODES:,} things")


def _short(data: Any) -> None:
    """Raise ValueError where a whole number is too long to be shown (0xfff... is not bounded by its text)."""
    if isinstance(data, int) and abs(data) >= 10**MAX_DIGITS:
        raise ValueError("a number has too many digits")
    for item in (*data, *data.values()) if isinstance(data, dict) else data if isinstance(data, list) else ():
        _short(item)


def _deep(data: Any) -> bool:
    """Whether anything lies below MAX_DEPTH tables and lists."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        level = [item for outer in level if isinstance(outer, (dict, list)) for item in (outer.values() if isinstance(outer, dict) else outer)
                 if isinstance(item, (dict, list))]
        if not level:
            return False
    return True


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)
