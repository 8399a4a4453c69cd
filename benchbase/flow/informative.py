"""The most informative part of a suite that fits in a time."""
from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchbase.errors import BenchError


@dataclass(frozen=True)
class Offer:
    """A cell to choose or leave. row: what it is one seed of.  stages: key -> seconds of each that it needs and that is not there; None where
    nothing is known of it."""

    row: str
    seed: int
    stages: Mapping[str, float | None]


@dataclass(frozen=True)
class Part:
    """numbers: of the cells that were chosen, ascending.  seconds: that they are thought to take together."""

    numbers: tuple[int, ...]
    seconds: float


def informative(offers: Sequence[Offer], seconds: float) -> Part:
    """The most informative cells that fit in `seconds` of computing. A cell holds all protocols of one method at one budget with one seed, with
    the unpruned base beside it, so it is a comparison by itself; informative is, in this order:

    1. Breadth: every row (method, budget, network, data set, protocols) has one seed before any has a second.
    2. Pairs: all rows take the same seed in a round, in the suite's order, for differences are taken seed by seed. A row whose seed did not
       fit takes no later one: its seeds stay without gaps.
    3. Number: within a round the cell that adds least comes first, of equals the first of the suite. It adds its stages that are neither in the
       store nor asked for by a cell chosen before, each once.

    A cell with a stage of which nothing is known, and that no cell before has asked for, adds what the known cells cost on average, each by itself.
    Raises BenchError where nothing is known of any cell, and where none fits.
    """
    mean = mean_known(offers)
    paid: set[str] = set()
    chosen: list[int] = []
    over: set[str] = set()
    least, spent = float("inf"), 0.0

    def added(number: int) -> float:
        stages = {key: cost for key, cost in offers[number].stages.items() if key not in paid}
        return mean if None in stages.values() else sum(cost for cost in stages.values() if cost is not None)

    for seed in dict.fromkeys(offer.seed for offer in offers):
        waiting = {n for n, offer in enumerate(offers) if offer.seed == seed and offer.row not in over}
        wants = who_wants(offers, waiting)
        heap = [(added(n), n) for n in waiting]
        heapq.heapify(heap)
        while heap:
            cost, number = heapq.heappop(heap)
            if number not in waiting or cost != added(number):
                continue  # chosen, or cheaper by now: then it stands in the heap again
            if spent + cost > seconds:
                least = min(least, cost)
                break
            waiting.remove(number)
            chosen.append(number)
            spent += cost
            new = set(offers[number].stages) - paid
            paid |= new
            for other in sorted({n for key in new for n in wants[key]} & waiting):
                heapq.heappush(heap, (added(other), other))
        over |= {offers[n].row for n in waiting}
    if offers and not chosen:
        raise BenchError(f"no cell fits in {seconds:.0f} s: the cheapest is thought to take {least:.0f} s", "give more time, or use --time-limit")
    return Part(tuple(sorted(chosen)), spent)


def mean_known(offers: Sequence[Offer]) -> float:
    """What the cells cost on average, each by itself, of those that have something left to run and of which all is known."""
    left = [offer.stages for offer in offers if offer.stages]
    known = [sum(costs) for stages in left if len(costs := [cost for cost in stages.values() if cost is not None]) == len(stages)]
    if left and not known:
        raise BenchError("nothing like this suite has run on this device, so that no cell's time is known",
                         "run one cell first (one method, --seeds 0), or use --time-limit")
    return fmean(known) if known else 0.0


def who_wants(offers: Sequence[Offer], numbers: set[int]) -> dict[str, list[int]]:
    """Key -> numbers of the cells that need this stage."""
    found: dict[str, list[int]] = {}
    for number in sorted(numbers):
        for key in offers[number].stages:
            found.setdefault(key, []).append(number)
    return found
