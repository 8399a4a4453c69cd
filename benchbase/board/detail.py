"""What a row's card tells beyond its numbers: the command, the versions, the widths of its layers, what each protocol cost."""
from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchbase.board.entry import order_of
from benchbase.board.flags import listed
from benchbase.board.labels import written
from benchbase.values.budget import budget_of

if TYPE_CHECKING:
    from benchbase.board.row import Bag
    from benchbase.values.record import Failure, Record

PHASES = ("pretrain", "prune", "retrain")


@dataclass(frozen=True)
class Layer:
    """A group of channels.  kept: the mean over seeds.  least: channels that the dense layer has at least, as far as kept indices tell."""

    name: str
    kept: float
    least: int


@dataclass(frozen=True)
class Cost:
    """One phase under one protocol, means over seeds.  macs: multiply-adds, backward passes included."""

    protocol: str
    phase: str
    epochs: float
    images: float
    macs: float
    seconds: float


@dataclass(frozen=True)
class Detail:
    """command: that makes the row again.  key: of one of its records.  lock: what it was made with, name -> versions found.
    layers: in natural order of their names; empty for masks.  costs: by protocol and phase, those that are not zero."""

    command: str = ""
    key: str = ""
    lock: Mapping[str, tuple[str, ...]] | None = None
    layers: tuple[Layer, ...] = ()
    costs: tuple[Cost, ...] = ()


def detail_of(bag: Bag) -> Detail:
    """The detail of the records of one row."""
    key = min((r.key for r in bag.records), default="")
    return Detail(command_of(bag), key, lock_of(bag.records), tuple(layers_of(bag.records)), tuple(costs_of(bag.records)))


def command_of(bag: Bag) -> str:
    """`bench run` with all that the row's key is made of, so that no default of another version can change it."""
    one = bag.first
    protocols = sorted({*(r.protocol for r in bag.records), *(f.protocol for f in bag.failures if f.protocol)}, key=order_of)
    seeds = listed({x.seed for x in (*bag.records, *bag.failures)}).replace(" ", "")
    words = [["-m", method_text(one)], ["--model", one.model], ["--dataset", one.dataset.name], ["--budget", budget_of(one.budget).label],
             *(["--protocol", name] for name in protocols), ["--seeds", seeds],
             *_recipe("recipe", one.recipe), *_recipe("finetune", one.finetune_recipe)]
    return " ".join(["bench run", *(f"{flag} {shlex.quote(value)}" for flag, value in words)])


def method_text(item: Record | Failure) -> str:
    """A method as the command line takes it, every parameter said."""
    said = ",".join(f"{name}={written(value)}" for name, value in sorted(item.method.params.items()))
    return f"{item.method.name}[{said}]" if said else item.method.name


def lock_of(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    """Name -> what was found under it in any record: versions of libraries, the device, precision, threads and memory format."""
    found: dict[str, set[str]] = {}
    for r in records:
        device = str(r.device.get("name") or r.device.get("type") or "unknown")
        for name, value in (*r.versions.items(), ("device", device), ("precision", r.precision), ("threads", str(r.threads)),
                            ("memory format", r.memory_format)):
            found.setdefault(name, set()).add(value)
    return {name: tuple(sorted(found[name])) for name in sorted(found)}


def layers_of(records: Iterable[Record]) -> Iterator[Layer]:
    """Channels that each group keeps. A group that no width names stays whole; where the kept indices are a digest, such groups are not known."""
    seen: dict[str, dict[int, int]] = {}
    least: dict[str, int] = {}
    for r in records:
        kept = r.kept if isinstance(r.kept, Mapping) else {}
        for name, count in {**{name: len(at) for name, at in kept.items()}, **r.architecture.widths}.items():
            seen.setdefault(name, {})[r.seed] = count
            least[name] = max(least.get(name, 0), count, max(kept.get(name, ()), default=-1) + 1)
    for name in sorted(seen, key=_natural):
        yield Layer(name, fmean(seen[name].values()), least[name])


def costs_of(records: Iterable[Record]) -> Iterator[Cost]:
    """What the ledgers say, means over seeds."""
    runs: dict[str, list[Record]] = {}
    for r in records:
        runs.setdefault(r.protocol, []).append(r)
    for protocol in sorted(runs, key=order_of):
        for phase in PHASES:
            spent = [getattr(r.ledger, phase) for r in sorted(runs[protocol], key=lambda r: r.seed)]
            means = {name: fmean(getattr(p, name) for p in spent) for name in ("epochs", "images", "macs", "seconds")}
            if any(means.values()):
                yield Cost(protocol, phase, **means)


def _recipe(table: str, said: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, value in sorted(said.items()):
        yield ["--set", f"{table}.{name}={written(value)}"]


def _natural(name: str) -> list[tuple[int, str]]:
    """layer2 before layer10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
