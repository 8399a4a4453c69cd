"""The shape of a network, enough to rebuild it with fresh weights and nothing else."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from benchbase.errors import BenchError
from benchbase.values.digest import digest

MAX_CLASSES, MAX_CHANNELS = 1 << 15, 1 << 10
MAX_INPUT = 1 << 24  # numbers in one image: 3 x 2364 x 2364
MAX_ENTRIES = 1_000_000  # of all tables together
MAX_NAME = 1000


@dataclass(frozen=True)
class Architecture:
    """A model by name, and what shrank in it.

    shape: (channels, height, width) of one input.  shapes: parameter or buffer -> its shape, or a number that a module keeps of its
    channels -> (that number,); only where it differs from the dense model's.  selects: gather -> indices it reads.  dropped: blocks that
    became their shortcut.  masks: digest of the weight masks.  widths: group -> channels, for people: not part of the digest, so that a better
    tracing rule never changes an old file's meaning.
    """

    model: str
    num_classes: int
    shape: tuple[int, int, int]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    selects: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    masks: str = ""
    widths: Mapping[str, int] = field(default_factory=dict, metadata={"identity": False})

    @cached_property
    def digest(self) -> str:
        """sha256 of what `build` uses. Equal shapes have equal digests, whichever method arrived at them."""
        return digest(self)

    @property
    def dense(self) -> bool:
        """Whether nothing was removed."""
        return not (self.shapes or self.selects or self.dropped or self.masks)

    def to_json(self) -> dict[str, Any]:
        """As the plain data of architecture.json."""
        return {"model": self.model, "num_classes": self.num_classes, "shape": list(self.shape),
                "shapes": {k: list(v) for k, v in sorted(self.shapes.items())},
                "selects": {k: list(v) for k, v in sorted(self.selects.items())},
                "dropped": list(self.dropped), "masks": self.masks, "widths": dict(self.widths)}


def architecture_of(data: Any) -> Architecture:
    """The Architecture in the plain data of a file. Raises BenchError naming the field that is wrong."""
    if not isinstance(data, Mapping):
        raise _bad("it is not an object")
    known = {"model", "num_classes", "shape", "shapes", "selects", "dropped", "masks", "widths"}
    if extra := sorted(set(map(str, data)) - known):
        raise _bad(f"unknown field {extra[0]!r}")
    if missing := sorted({"model", "num_classes", "shape"} - set(data)):
        raise _bad(f"field {missing[0]!r} is missing")
    if not isinstance(data["model"], str) or not 0 < len(data["model"]) <= 200:
        raise _bad("model is not a name")
    masks = data.get("masks", "")
    if not isinstance(masks, str) or not re.fullmatch(r"([0-9a-f]{64})?", masks):
        raise _bad("masks is not a digest")
    shape = _sizes("shape", data["shape"])
    if len(shape) != 3:
        raise _bad("shape is not [channels, height, width]")
    classes = _sizes("num_classes", [data["num_classes"]])[0]
    if math.prod(shape) > MAX_INPUT or shape[0] > MAX_CHANNELS or classes > MAX_CLASSES:
        raise _bad(f"{classes} classes of {' x '.join(map(str, shape))} images are more than any network here has")
    dropped = data.get("dropped", [])
    if not isinstance(dropped, list) or not all(isinstance(b, str) and len(b) <= MAX_NAME for b in dropped):
        raise _bad("dropped is not a list of blocks")
    shapes = {k: _sizes(f"shapes.{k}", v) for k, v in _table(data, "shapes").items()}
    selects = {k: _sizes(f"selects.{k}", v, least=0) for k, v in _table(data, "selects").items()}
    if odd := [k for k, v in selects.items() if any(a >= b for a, b in zip(v, v[1:]))]:
        raise _bad(f"selects.{odd[0]} is not ascending")
    if sum(map(len, (*shapes.values(), *selects.values()))) > MAX_ENTRIES:
        raise _bad(f"it holds more than {MAX_ENTRIES:,} numbers")
    return Architecture(model=data["model"], num_classes=classes, shape=(shape[0], shape[1], shape[2]), shapes=shapes, selects=selects,
                        dropped=tuple(dropped), masks=masks, widths={k: _sizes(f"widths.{k}", [v])[0] for k, v in _table(data, "widths").items()})


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, Mapping) or len(table) > 100_000:
        raise _bad(f"{name} is not an object")
    if odd := [k for k in table if not isinstance(k, str) or not 0 < len(k) <= MAX_NAME]:
        raise _bad(f"{name} has a key that is no name: {str(odd[0])[:60]!r}")
    return table


def _sizes(name: str, values: Any, least: int = 1) -> tuple[int, ...]:
    if not isinstance(values, (list, tuple)) or len(values) > MAX_ENTRIES:
        raise _bad(f"{name} is not a list of numbers")
    if any(isinstance(v, bool) or not isinstance(v, int) or not least <= v <= 2**31 for v in values):
        raise _bad(f"{name} holds something that is not a size")
    return tuple(values)


def _bad(why: str) -> BenchError:
    return BenchError(f"not an architecture: {why}", "use an architecture.json as `bench prune` writes it")
