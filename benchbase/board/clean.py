"""Text that is safe to show and says nothing of who and where: no control or hidden characters, no host, user or path."""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from benchbase.values.record_fields import scrub

PRIVATE = frozenset({"host", "hostname", "node", "nodename", "user", "username", "login", "home", "cwd", "path", "ip", "address", "email", "uuid",
                     "serial"})
ADDRESS = re.compile(r"[\w.+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
NUMBERS = re.compile(r"(?<![\d.])(\d{1,3}\.){3}\d{1,3}(?![\d.])")
HOME = re.compile(r"(^|[\s=:'\"(])~\w*[/\\]|file://|\\\\\w")
# What a file must have somewhere for any of the above: most records have none of it, and are not looked at more closely.
SUSPECT = re.compile(rb"[^\x20-\x7e\n]|\\|/|~|[\w.+-]@|\d+\.\d+\.\d+\.\d|\"(?:" + "|".join(sorted(PRIVATE)).encode() + rb")\"")
BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # letters and patterns that are drawn as nothing
LINES = ("message", "traceback")  # fields of failures, which may have several lines
VERSIONS = ("versions", "distribution_version")


def unclean(plain: Mapping[str, Any], raw: bytes) -> str:
    """Why some text in a record has no place there, naming the field; "" where all is well. raw: the bytes of its file."""
    bits = str(plain.get("correct", "")).encode()
    if not SUSPECT.search(raw.replace(bits, b"") if bits else raw):
        return ""
    return next((f"{field}: {why}" for field, text in _texts({k: v for k, v in plain.items() if k != "correct"}) if (why := _wrong(field, text))), "")


def _texts(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """(field, text) of every text in plain data, keys included."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield f"a key of {field or 'the record'}", str(key)
            yield from _texts(inner, f"{field}.{key}" if field else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, field)


@lru_cache(maxsize=65536)  # thousands of records have the same texts
def _wrong(field: str, text: str) -> str:
    shown = text.replace("\n", "").replace("\t", "") if field in LINES else text
    if odd := next((c for c in shown if not _plain(c)), ""):
        return f"holds the character U+{ord(odd):04X}, which is a control character or cannot be seen"
    if unicodedata.normalize("NFC", text) != text:
        return "is not in Unicode's composed form (NFC)"
    if field.startswith("a key of device") and text.lower() in PRIVATE:
        return f"{text!r} tells of the machine's or the user's name"
    if scrub(text, len(text) + 1) != text or HOME.search(text):
        return "holds a path"
    if ADDRESS.search(text):
        return "holds an address"
    if NUMBERS.search(text) and not field.startswith(VERSIONS) and not field.endswith(VERSIONS):
        return "holds a machine's address"
    return ""


def _plain(char: str) -> bool:
    """Whether a character is seen: no control, format, private, unassigned, separating or blank one but the space."""
    return char.isprintable() and char not in BLANK
