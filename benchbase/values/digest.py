"""Canonical JSON, digests and seeds: the identities that the store and the records are built on."""
from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any


PLAIN = frozenset({str, int, bool, type(None)})  # JSON has these as they are


def canonical(value: Any) -> Any:
    """`value` as plain JSON data whose meaning does not depend on dictionary order or on defaults added later.

    A dataclass becomes its class name and the fields that differ from None, (), [] and {}: so a field added later with an empty
    default leaves old digests alone. Raises TypeError for anything else that JSON cannot hold, ValueError for nan and infinity.
    """
    if type(value) in PLAIN:
        return value
    if is_dataclass(value) and not isinstance(value, type):
        kept = {f.name: canonical(getattr(value, f.name)) for f in fields(value) if f.init and f.metadata.get("identity", True)}
        return {"_": type(value).__name__} | {k: v for k, v in kept.items() if v not in (None, [], {})}
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, (list, tuple)):
        return [v if type(v) in PLAIN else canonical(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no place in a digest")
    if isinstance(value, Decimal):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form")


def to_json(value: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces, ASCII only."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def seed_of(*context: Any) -> int:
    """A seed of 63 bits hashed from names and numbers, so that every part of an experiment has its own stream.

    >>> seed_of(0, "order", "digits") != seed_of(0, "augmentation", "digits")
    True
    """
    return int(digest(list(context))[:16], 16) >> 1
