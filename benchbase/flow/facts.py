"""What finished stages took: each tells what it was about and what it ran on, so that others can be forecast from it."""
from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from benchbase.flow.environment import device
from benchbase.flow.store import MAX_BYTES, STAGE

MOST = 3000  # stages of other plans that are read: a store may hold any number, and be far away
KEY = re.compile(r"[0-9a-f]{64}")
About = tuple[str, str, str]  # model, data set, method; "" for one that has no part in the stage
Place = tuple[Any, ...]  # type of device, precision, threads, memory format, deterministic; the processor's name


@dataclass(frozen=True)
class Fact:
    """What one finished stage took. size: bytes of its folder.  place: what it ran on, None where it does not tell.
    images, macs: of a training, as it was computed: all epochs, backward passes too, masked weights as well."""

    key: str
    kind: str
    seconds: float
    size: int
    place: Place | None = None
    about: About = ("", "", "")
    images: int = 0
    macs: int = 0


def place_of(machine: Any) -> Place:
    """What a stage on this machine runs on: only stages of one place say how long others take."""
    return (*machine.identity, device(machine)["name"])


def about(inputs: Mapping[str, Any]) -> About:
    """What a stage with these inputs is about."""
    model, data, method = getattr(inputs.get("architecture"), "model", ""), getattr(inputs.get("data"), "dataset", None), inputs.get("method")
    return str(model), str(getattr(data, "name", "")), str(method.identity[0]) if method is not None else ""


def circumstances(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a stage with these inputs tells of where it ran and what it was about, as plain data; nothing of one without a machine."""
    machine = inputs.get("machine")
    return {"place": list(place_of(machine)), "about": list(about(inputs))} if hasattr(machine, "identity") else {}


def facts(root: Path, own: Collection[str] = (), most: int = MOST) -> Iterator[Fact]:
    """Those of finished stages of the store at `root`: of the keys in `own`, then of `most` others. Keys are digests, so the first others are as
    good as drawn. What cannot be read is left out: it decides nothing but a forecast.

    A stage takes 0.1 to 0.2 ms: one file of it is read, and no other looked at.
    """
    others = (key for outer in _names(root, re.compile("[0-9a-f]{2}")) for key in _names(root / outer, KEY) if key not in own)
    for key in chain(own, islice(others, most)):
        try:
            with open(root / key[:2] / key / STAGE, "rb") as file:
                raw = file.read(MAX_BYTES)
            yield fact(key, json.loads(raw), len(raw))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


def fact(key: str, told: Mapping[str, Any], size: int = 0) -> Fact:
    """The fact in a stage.json of `size` bytes. Raises ValueError, KeyError, TypeError or AttributeError for what is none."""
    info, ran = told["info"], told.get("ran") or {}
    model, dataset, method = (str(part) for part in ran.get("about", ("", "", "")))
    place = tuple(ran["place"]) if "place" in ran else None
    return Fact(key, str(told["kind"]), float(told["seconds"]), size + sum(int(part) for part in told["files"].values()), place,
                (model, dataset, method), *(_counts(info) if told["kind"] == "train" else (0, 0)))


def _counts(info: Mapping[str, Any]) -> tuple[int, int]:
    return int(info.get("images", 0)), int(info.get("computed", {}).get("macs", 0))


def _names(root: Path, pattern: re.Pattern[str]) -> list[str]:
    """What lies in a folder under such a name, sorted."""
    try:
        return sorted(name for name in os.listdir(root) if pattern.fullmatch(name))
    except OSError:
        return []
