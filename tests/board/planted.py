"""Tasks whose truth is known: seeds and test images are drawn, what inheritance is worth is planted, and records say what came of it.

`python tests/board/planted.py` prints how often the judge says what.
"""
from __future__ import annotations

import base64
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from factory import record, sha

from benchbase.board.table import tables
from benchbase.values.budget import Budget
from benchbase.values.record import Record

SEEDED = {protocol: record(protocol=protocol, seed=0, **({"width": 64, "kept": {}, "architecture__shapes": {}, "architecture__widths": {}}
                                                        if protocol == "unpruned-long" else {}))
          for protocol in ("finetune-matched", "scratch-matched", "unpruned-long", "finetune")}


def drawn(rng: np.random.Generator, seeds: int, images: int, gain: float) -> dict[str, np.ndarray[Any, Any]]:
    """Protocol -> bits [seeds, images] of one task.

    Each image has a difficulty (most are always right), each seed a skill that its runs share, each run some luck of its own. The inherited
    network is right on `gain` percent of the images more, in expectation over images and seeds: by construction, not by estimate.
    """
    share = 1 / (1 + np.exp(-rng.normal(9, 7, images)))
    mean = share.mean()
    more = share + gain / 100 * ((1 - share) / (1 - mean) if gain > 0 else share / mean)
    skill = rng.normal(0, 0.004, (seeds, 1))

    def net(chance: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        luck = skill + rng.normal(0, 0.0003, (seeds, 1))
        return rng.random((seeds, images), dtype=np.float32) < chance + luck * 4 * chance * (1 - chance)  # what is always right stays so
    return {"finetune-matched": net(more), "scratch-matched": net(share)}


def sweep_of(bits: dict[str, np.ndarray[Any, Any]], dataset: str, method: str = "l1-norm", stored: bool = True) -> Iterator[Record]:
    """Records with these bits, and of a base that has converged.  stored: whether the bits stand in the records, or their sums alone."""
    for protocol, found in bits.items():
        for seed, row in enumerate(found):
            yield copied(SEEDED[protocol], dataset, method, seed, float(100 * row.mean()), correct=row if stored else None)
    for seed in range(len(bits["scratch-matched"])):
        yield copied(SEEDED["unpruned-long"], dataset, method, seed, 95.0)


def copied(like: Record, dataset: str, method: str, seed: int, top1: float, *, correct: Any = None, factor: int = 4) -> Record:
    """A record like another one, without checking again what is not touched."""
    run = sha(dataset, method, like.protocol, seed, factor, top1)
    dense = like.unpruned.macs
    changes: dict[str, Any] = {
        "key": run, "seed": seed,
        "dataset": like.dataset.model_copy(update={"name": dataset}), "method": like.method.model_copy(update={"name": method}),
        "metrics": like.metrics.model_copy(update={"top1": top1, "top5": 100.0} | ({} if like.protocol == "unpruned-long" else {"macs": dense // factor})),
        "unpruned": like.unpruned.model_copy(update={"top1": 95.0}),
        "digests": like.digests.model_copy(update={"final": run, "plain": f"{seed:064x}", "base": f"{seed:064x}"}),
        "budget": Budget(macs=1 - 1 / factor).to_json()}
    if correct is not None:
        packed = base64.b64encode(zlib.compress(np.packbits(correct).tobytes(), 1)).decode()
        changes |= {"correct": packed, "test_images": len(correct)}
    return like.model_copy(update=changes)


def words(gain: float, seeds: int, images: int, dataset: str, repeats: int, salt: int = 0) -> Counter[str]:
    """Verdict -> how often, over so many tasks with this truth."""
    rng = np.random.default_rng([salt, seeds, images, round(1000 * gain) % 2**32])
    said: Counter[str] = Counter()
    for _ in range(repeats):
        (table,) = tables(sweep_of(drawn(rng, seeds, images, gain), dataset, stored=images < 1000))
        said[table.rows[0].verdict.word] += 1
    return said


def renamed(repeats: int, seeds: int = 5, images: int = 898, factors: Sequence[int] = (2, 4, 8, 16, 32), family: str = "table") -> tuple[int, int]:
    """(how many sweeps call random under a new name better than random at any point, how many call either better).

    Each sweep has a third method that is better by two points: there is something to find.
    """
    rng = np.random.default_rng([seeds, images, repeats])
    better = either = 0
    for _ in range(repeats):
        records = []
        for factor in factors:
            easy = np.clip(0.92 + rng.normal(0, 0.05, images), 0, 1)
            skill = rng.normal(0, 0.004, (seeds, 1))
            for method, gain in (("random", 0.0), ("brand-new", 0.0), ("l1-norm", 0.02)):
                right = (rng.random((seeds, images)) < np.clip(easy + skill + rng.normal(0, 0.004, (seeds, 1)) + gain, 0, 1)).mean(axis=1)
                records += [copied(SEEDED["finetune"], "digits", method, seed, float(100 * right[seed]), factor=factor) for seed in range(seeds)]
        (table,) = tables(r.model_copy(update={"family": family}) for r in records)
        by = {(row.who.name, row.point): rank for row in table.rows for rank in row.ranks}
        won = {name: any(by[name, f].high < by[other, f].low for f in factors) for name, other in (("brand-new", "random"), ("random", "brand-new"))}
        better += won["brand-new"]
        either += any(won.values())
    return better, either


def main() -> None:
    for dataset, images, seeds in (("digits", 898, 5), ("cifar10", 10_000, 5), ("cifar10", 10_000, 10), ("imagenet", 20_000, 10)):
        for gain in (0.0, 3.0, -3.0):
            said = dict(words(gain, seeds, images, dataset, 200))
            print(f"{dataset}, {images} images, {seeds} seeds, inheritance gains {gain:+g} points: {said}", flush=True)
    for seeds in (3, 5, 10):
        print(f"random renamed, {seeds} seeds, 5 points: better in %d of 200, either in %d" % renamed(200, seeds), flush=True)


if __name__ == "__main__":
    main()
