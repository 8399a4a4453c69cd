"""How far a number has been checked (gate 19): self-reported, re-scored from the stored bits, or reproduced by another run."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchbase.board.drift import drift

if TYPE_CHECKING:
    from benchbase.board.row import Bag
    from benchbase.values.record import Record

SELF, RESCORED, REPRODUCED = "self-reported", "re-scored", "reproduced"
TIERS = (SELF, RESCORED, REPRODUCED)
MEANING = {SELF: "the records' stored bits do not say the accuracy",
           RESCORED: "the records keep which test images came out right, and the accuracies were counted again from that",
           REPRODUCED: "re-scored, and run again with the same result within tolerance"}


@dataclass(frozen=True)
class Tier:
    """word: one of TIERS.  reproduced: records that were run again within tolerance.  drifted: those whose every repeat was beyond it.
    records: all."""

    word: str = SELF
    reproduced: int = 0
    drifted: int = 0
    records: int = 0

    def __str__(self) -> str:
        if not self.reproduced and not self.drifted:
            return self.word
        return f"{self.word} ({self.reproduced} of {self.records}{f', {self.drifted} drifted' if self.drifted else ''})"


def tier_of(bag: Bag) -> Tier:
    """The tier of a row: reproduced where some seed of every protocol was run again within tolerance and none drifted; re-scored where the
    stored bits of all records say their accuracies; self-reported else."""
    each = tiers_of(bag.records, bag.repeats)
    drifted = _drifted(bag)
    done = {r.protocol for r in bag.records if each[id(r)] == REPRODUCED}
    if not bag.records or SELF in each.values():
        word = SELF
    else:
        word = REPRODUCED if not drifted and done == {r.protocol for r in bag.records} else RESCORED
    return Tier(word, sum(tier == REPRODUCED for tier in each.values()), drifted, len(bag.records))


def tiers_of(records: Sequence[Record], repeats: Iterable[Record]) -> dict[int, str]:
    """id(record) -> its tier, for records of any number of rows."""
    again, near = _by_key(repeats), defaultdict(list)
    for r in records:
        near[r.dataset.name, r.model, r.method.name].append(r)
    return {id(r): _tier(r, again.get(r.key, ()), near[r.dataset.name, r.model, r.method.name]) for r in records}


def _drifted(bag: Bag) -> int:
    """How many records were run again, and every time beyond tolerance."""
    again = _by_key(bag.repeats)
    return sum(not any(drift(r, repeat, bag.records).passed for repeat in again[r.key]) for r in bag.records if r.key in again)


def rescored(record: Record) -> bool:
    """Whether the stored bits say the accuracy: as many set as top-1 counts, of as many as the test split has."""
    from benchbase.values.bits import count_bits

    try:
        return abs(100 * count_bits(record.correct, record.test_images) / record.test_images - record.metrics.top1) < 1e-6
    except ValueError:
        return False


def _tier(record: Record, repeats: Sequence[Record], others: Sequence[Record]) -> str:
    if not rescored(record):
        return SELF
    return REPRODUCED if any(rescored(repeat) and drift(record, repeat, others).passed for repeat in repeats) else RESCORED


def _by_key(repeats: Iterable[Record]) -> Mapping[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for r in repeats:
        found.setdefault(r.key, []).append(r)
    return found
