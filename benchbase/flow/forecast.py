"""How long stages will take and how much disk, from what others took that have run on this device; and how far that was off."""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchbase.flow.facts import Fact, Place

if TYPE_CHECKING:
    from benchbase.flow.do import Event
    from benchbase.flow.plan import Entry

COSTLY = ("train", "prune", "rewind", "measure", "gauge")
AS = {"rewind": "measure", "gauge": "measure"}  # what is taken for a kind of which nothing has run: both are short
# Whose facts stand for a stage: the first of these that any agree in, by place in `about` (model, data set, method). A training's
# multiply-adds already say what its data set's images are.
KIN: Mapping[str, Sequence[Sequence[int]]] = {"train": ((0,), ())}
KIN_ELSE: Sequence[Sequence[int]] = ((0, 1, 2), (0, 1), (1,), (0,), ())
NEAR, LESS, FAR = 0.15, 0.5, 1.0  # relative error taken for granted: of the nearest kin, of others, of whatever has run


@dataclass(frozen=True)
class Price:
    """What a stage is thought to take. within: relative error; the truth should lie between seconds / (1 + within) and seconds * (1 + within)."""

    seconds: float
    within: float
    size: float


@dataclass(frozen=True)
class Forecast:
    """Of what is left to run. seconds, bytes, within: as in Price, for all of it; None where of some kind nothing has run on this device."""

    seconds: float | None
    bytes: int | None
    within: float | None = None


def forecast(entries: Sequence[Entry], facts: Iterable[Fact], place: Place, jobs: int = 1) -> Forecast:
    """Of the entries that are not in the store. Side by side, stages share the time evenly, as if processors were free."""
    left = [e for e in entries if not e.cached and e.kind in COSTLY]
    known = prices(entries, facts, place)
    if any(e.key not in known for e in left):
        return Forecast(None, None)
    found = [known[e.key] for e in left]
    seconds = sum(price.seconds for price in found)
    within = sum(price.seconds * price.within for price in found) / seconds if seconds else 0.0
    return Forecast(seconds / jobs, round(sum(price.size for price in found)), round(within, 3))


def prices(entries: Sequence[Entry], facts: Iterable[Fact], place: Place) -> dict[str, Price]:
    """Key -> price, of each entry that is not in the store; of none for which nothing of its kind has run here.

    A training costs so many seconds an image, and so many more by its multiply-adds an image: the line through the trainings of the same
    model, else of all models. Anything else takes the mean of its nearest kin: of the same model, data set and method, of fewer of these, of all.
    """
    here = usable(facts, entries, place)
    by_kind: dict[str, list[Fact]] = {}
    for one in here:
        by_kind.setdefault(one.kind, []).append(one)
    rules: dict[Any, Callable[[Entry], Price]] = {}
    found = {}
    for entry in entries:
        kind = entry.kind if entry.kind in by_kind else AS.get(entry.kind, entry.kind)
        if not entry.cached and kind in by_kind:
            key = (entry.kind, entry.about)
            if key not in rules:
                rules[key] = rule(entry, by_kind[kind], kind)
            found[entry.key] = rules[key](entry)
    return found


def usable(facts: Iterable[Fact], entries: Iterable[Entry], place: Place) -> list[Fact]:
    """Those of this place. What a fact of an older store does not tell, the plan says where it asks for that stage: its key holds the machine."""
    own = {e.key: e for e in entries if e.cached}
    found = []
    for one in facts:
        entry = own.get(one.key)
        if one.place is None and entry is not None:
            one = replace(one, place=place, about=entry.about, images=entry.images, macs=entry.work)
        if one.place == place and (one.kind != "train" or one.macs):
            found.append(one)
    return found


def rule(entry: Entry, facts: Sequence[Fact], kind: str) -> Callable[[Entry], Price]:
    """What prices a stage like `entry`. facts: of its kind, at least one."""
    steps = KIN.get(kind, KIN_ELSE)
    for number, parts in enumerate(steps):
        kin = [f for f in facts if all(f.about[i] == entry.about[i] for i in parts)]
        if kin:
            break
    within = NEAR if number == 0 else FAR if not parts else LESS
    size = fmean(f.size for f in kin)
    if kind == "train":
        return trainings(kin, within, size)
    seconds = fmean(f.seconds for f in kin)
    return lambda entry: Price(seconds, max(within, spread([(f.seconds, seconds) for f in kin])), size)


def trainings(kin: Sequence[Fact], within: float, size: float) -> Callable[[Entry], Price]:
    """Prices trainings by images and multiply-adds, after the line through `kin`. Beyond the sizes that have run it is less sure."""
    sizes = [f.macs / f.images for f in kin]
    an_image, a_mac = line([(f.images, f.macs, f.seconds) for f in kin])
    near = max(within, spread([(f.seconds, an_image * f.images + a_mac * f.macs) for f in kin]))

    def price(entry: Entry) -> Price:
        one = entry.work / entry.images if entry.images else 0.0
        inside = 0.9 * min(sizes) <= one <= 1.1 * max(sizes)
        return Price(an_image * entry.images + a_mac * entry.work, near if inside else max(near, LESS), size)
    return price


def line(runs: Sequence[tuple[int, int, float]]) -> tuple[float, float]:
    """(seconds an image, seconds a multiply-add), neither below zero, from trainings of (images, multiply-adds, seconds): the line of seconds an
    image over multiply-adds an image that least squares draws, where an image is a point, so that all of them together take what they took. From
    one size alone, seconds are by multiply-adds."""
    images, macs, seconds = (sum(run[i] for run in runs) for i in range(3))
    middle, sizes = macs / images, [work / n for n, work, _ in runs]
    if max(sizes) - min(sizes) < 0.01 * max(sizes):
        return 0.0, seconds / macs
    rise = sum((size - middle) * (spent - seconds / images * n) for size, (n, _, spent) in zip(sizes, runs, strict=True))
    slope = max(0.0, rise / sum(n * (size - middle) ** 2 for size, (n, _, _) in zip(sizes, runs, strict=True)))
    start = seconds / images - slope * middle
    return (0.0, seconds / macs) if start < 0 else (start, slope)


def spread(pairs: Sequence[tuple[float, float]]) -> float:
    """Root of the mean squared relative error of (true, said), each as heavy as it is long."""
    return math.sqrt(sum(true * (true / said - 1) ** 2 for true, said in pairs if said) / (sum(true for true, _ in pairs) or 1.0))


def taken(events: Iterable[Event], before: frozenset[str] | set[str], jobs: int = 1) -> float:
    """Seconds that the stages took which were not there before, to hold against a forecast: those of each stage alone, as it tells them,
    so that waiting for locks and for what other processes run counts for nothing; a training that was interrupted counts whole."""
    spent: dict[str, float] = {}
    for event in events:
        if event.kind in COSTLY and event.key not in before:
            own = max(0.0 if event.cached else event.seconds, float(event.numbers.get("seconds", 0.0)))
            spent[event.key] = max(spent.get(event.key, 0.0), own)
    return sum(spent.values()) / jobs
