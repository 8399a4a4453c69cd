"""What a reader must know of a row before trusting it, in words. Each gate that a row fails leaves one flag."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from benchbase.board.row import Bag, Row

if TYPE_CHECKING:
    from benchbase.values.record import Record

LOST = {"not_applicable": "not applicable", "oom": "out of memory", "timeout": "timed out", "method_error": "lost to an error of the method",
        "infra_error": "lost to an error of the machine"}
UNEQUAL = 0.1  # of the multiply-adds of two sides that should be equal
REMAINDER = 2  # epochs that whole numbers of them may leave over


def flags_of(row: Row, bag: Bag) -> tuple[str, ...]:
    """All flags of a row, in one order."""
    parts = (lost(row), seeds(row), uneven(row), goal(row), whole_layers(bag), identities(bag.records), compute(row, bag), origins(bag))
    return tuple(flag for part in parts for flag in part)


def doubts_of(row: Row) -> tuple[str, ...]:
    """Why the gap at equal compute earns no word beside what `judge` knows: seeds that were picked, sides that cost differently."""
    gap = row.gap("matched")
    if gap is None:
        return ()
    picked = not (regular(row.seeds) and regular(gap.seeds))
    unequal = any(flag.startswith("unequal compute") for flag in row.flags)
    mixed = any(flag.startswith("one seed, several") for flag in row.flags)
    return ("seeds have gaps",) * picked + ("unequal compute",) * unequal + ("runs that are no pairs",) * mixed


def regular(numbers: Sequence[int]) -> bool:
    """Whether seeds are 0, 1, ... without gaps: others may have been picked."""
    return list(numbers) == list(range(len(numbers)))


def lost(row: Row) -> Iterator[str]:
    """Seeds that came to nothing, with the first message of each kind."""
    for kind, count in row.lost.items():
        first = next(m for m in row.missing if m.kind == kind)
        at = sorted({m.protocol for m in row.missing if m.kind == kind and m.protocol})
        who = f"{count} seed{'s' if count > 1 else ''} " if kind != "not_applicable" else ""
        yield f"{who}{LOST.get(kind, kind)}{' in ' + ', '.join(at) if at else ''}: {first.message[:300]}"


def seeds(row: Row) -> Iterator[str]:
    """Seeds that are not 0 to n-1."""
    if not regular(row.seeds):
        yield f"seeds {listed(row.seeds)} are not 0 to {len(row.seeds) - 1}: they may have been picked"


def uneven(row: Row) -> Iterator[str]:
    """Protocols that lack seeds which others have, and say nothing of why."""
    for entry in row.entries:
        lacking = sorted(set(row.seeds) - set(entry.seeds) - {m.seed for m in (*entry.failed, *row.missing)})
        if lacking:
            yield f"{entry.protocol} lacks seed{'s' if len(lacking) > 1 else ''} {listed(lacking)}"


def goal(row: Row) -> Iterator[str]:
    """A budget that was missed."""
    got = row.goal.achieved
    if row.goal.missed and got is not None:
        reached = f"{got.low:.1%} to {got.high:.1%}" if f"{got.low:.1%}" != f"{got.high:.1%}" else f"{got.mean:.1%}"
        yield f"asked to remove {row.goal.asked:.1%} of {row.goal.unit}, removed {reached}: beyond 2 points, not comparable at this budget"


def whole_layers(bag: Bag) -> Iterator[str]:
    """Layers that a budget for the whole network left at full width while others shrank, and those that it would have emptied."""
    names: dict[str, None] = {}
    for r in bag.records:
        if isinstance(r.kept, Mapping) and r.architecture.widths and not (r.budget.get("ratios") or r.budget.get("widths")):
            names.update(dict.fromkeys(name for name in r.kept if name not in r.architecture.widths))
    if names:
        yield f"left at full width: {_few(names)}"
    if saved := sorted({name for r in bag.records for name in r.rescued}):
        yield f"saved from emptiness with their best channel: {_few(saved)}"


def identities(records: Iterable[Record]) -> Iterator[str]:
    """Pairs that are none: within one seed, all protocols must have one base and one architecture."""
    plain: dict[int, set[str]] = {}
    shape: dict[int, set[str]] = {}
    for r in records:
        plain.setdefault(r.seed, set()).add(r.digests.plain)
        if not r.protocol.startswith("unpruned"):
            shape.setdefault(r.seed, set()).add(r.digests.architecture)
    for what, found in (("bases", plain), ("architectures", shape)):
        if odd := sorted(seed for seed, digests in found.items() if len(digests) > 1):
            yield f"one seed, several {what} (seed {listed(odd)}): its protocols are no pairs"


def compute(row: Row, bag: Bag) -> Iterator[str]:
    """Sides of the gap at equal compute that differ in it: all that the inherited weights cost against the scratch training alone."""
    inherited = row.entry("finetune-matched")
    scratch = [r.ledger.retrain for r in bag.records if r.protocol == "scratch-matched"]
    if inherited is None or inherited.spent is None or not scratch:
        return
    macs, epochs = (sum(getattr(phase, what) for phase in scratch) / len(scratch) for what in ("macs", "epochs"))
    off = abs(macs - inherited.spent.mean)
    if off > UNEQUAL * inherited.spent.mean and off > (REMAINDER * macs / epochs if epochs else 0):
        yield f"unequal compute: scratch-matched cost {macs / inherited.spent.mean:.2f} times what finetune-matched cost in all"


def origins(bag: Bag) -> Iterator[str]:
    """Where the row comes from, where that is more than one place or none that others can install."""
    who = bag.first.method
    if who.distribution is None:
        yield f"unpublished: a method from a file{f' (sha256 {who.source[:12]})' if who.source else ''}"
    for what, values in (("precisions", {r.precision for r in bag.records}),
                         ("packages", {f"{r.method.distribution} {r.method.distribution_version}" for r in bag.records if r.method.distribution})):
        if len(values) > 1:
            yield f"several {what}: {', '.join(sorted(values))}"
    if bag.repeats:
        yield f"reproduced: {reproduction(bag)}"


def reproduction(bag: Bag) -> str:
    """How far repeats by others are from the records they repeat."""
    first = {r.key: r.metrics.top1 for r in bag.records}
    far = [abs(r.metrics.top1 - first[r.key]) for r in bag.repeats if r.key in first]
    return f"{len({r.key for r in bag.repeats})} of {len(bag.records)} records run again, top-1 within {max(far, default=0):.2f} points"


def _few(names: Iterable[str], most: int = 4) -> str:
    found = list(names)
    return f"{len(found)} layer{'s' if len(found) > 1 else ''} ({', '.join(found[:most])}{', ...' if len(found) > most else ''})"


def listed(numbers: Iterable[int]) -> str:
    """Numbers in words, runs of them shortened.

    >>> listed([0, 1, 2, 5])
    '0-2, 5'
    """
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
