"""Seeds and test images resampled together: how wide a difference is when another test sample had been drawn as well.

The pigeonhole bootstrap (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1, 2007) resamples the rows and the columns of a
crossed array, here the seeds and the images. Of n seeds n - 1 are drawn, which makes the variance of their mean that of the sample
deviation (McCarthy and Snowden, "The bootstrap and finite population sampling", 1985); the interval is Student's with the degrees of
freedom of Satterthwaite ("An approximate distribution of estimates of variance components", Biometrics Bulletin 2, 1946), because the
percentiles of three to ten resampled seeds cover far less than they say.
"""
from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchbase.board.entry import Gap
from benchbase.board.stats import Interval, t_quantile

if TYPE_CHECKING:
    import numpy as np

    from benchbase.values.record import Record

RESAMPLES = 1000


def crossed(a: Sequence[Any], b: Sequence[Any], name: str, level: float = 0.95, resamples: int = RESAMPLES) -> Interval:
    """The mean of a - b in points, and its interval over seeds and images.

    a, b: one array of bits a seed, bit i whether image i was right, seed s of one paired with seed s of the other.  name: what the resampling
    is seeded with, so that the same records give the same digits. low and high are None for one seed. ValueError for arrays that are no pairs.
    """
    import numpy as np

    if len(a) != len(b) or not len(a) or len({len(bits) for bits in (*a, *b)}) != 1 or not len(a[0]):
        raise ValueError("these are no pairs of seeds on the same images")
    differences = np.asarray(a, dtype=np.int64) - np.asarray(b, dtype=np.int64)
    seeds, images = differences.shape
    sums = [int(s) for s in differences.sum(axis=1)]
    mean = 100 * sum(sums) / (seeds * images)
    if seeds == 1:
        return Interval(mean, None, None, 1)
    own = _sample_variance(sums) / images ** 2 / seeds
    total = max(own, _resampled(differences if sums >= [-s for s in sums] else -differences, name, resamples))  # b - a has the same width
    sample = total - own
    freedom = total ** 2 / (own ** 2 / (seeds - 1) + sample ** 2 / max(images - 1, 1)) if total else 1.0
    half = 100 * t_quantile(level, max(1, math.floor(freedom + 1e-9))) * math.sqrt(total)
    return Interval(mean, mean - half, mean + half, seeds)


def with_crossed(gaps: Sequence[Gap], records: Iterable[Record]) -> tuple[Gap, ...]:
    """The gaps of a row, the first of them, which is the headline, with its second interval where the stored bits of both sides give one."""
    if not gaps:
        return ()
    first = gaps[0]
    cells = {(r.protocol, r.seed): r for r in records}
    return replace(first, crossed=crossed_of([(cells[first.a, s], cells[first.b, s]) for s in first.seeds])), *gaps[1:]


def crossed_of(pairs: Sequence[tuple[Record, Record]]) -> Interval | None:
    """The crossed interval of paired records; None where their bits are of different test samples, or none that can be read."""
    try:
        one, two = ([bits_of(pair[side]) for pair in pairs] for side in (0, 1))
        return crossed(one, two, " ".join(sorted(r.key for pair in pairs for r in pair)))
    except ValueError:
        return None


def bits_of(record: Record) -> Any:
    """The record's stored bits as an array of 0 and 1, one a test image. ValueError where they cannot be read."""
    import numpy as np

    from benchbase.values.bits import packed_bits

    return np.unpackbits(np.frombuffer(packed_bits(record.correct, record.test_images), dtype=np.uint8), count=record.test_images)


def _resampled(differences: np.ndarray[Any, Any], name: str, resamples: int) -> float:
    """Variance of the mean of [seeds, images] resampled both ways. Images that fell out alike at every seed are drawn together: the same
    distribution, in a few dozen numbers. All sums are of integers, so that no machine adds them up differently."""
    import numpy as np

    seeds, images = differences.shape
    patterns, counts = np.unique(differences, axis=1, return_counts=True)
    draw = np.random.RandomState(np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype=np.dtype("<u4")))  # its streams never change
    which = draw.multinomial(images, counts / images, size=resamples)
    who = draw.multinomial(seeds - 1, [1 / seeds] * seeds, size=resamples)
    spread: float = _sample_variance([int(s) for s in ((who @ patterns) * which).sum(axis=1)]) / ((seeds - 1) * images) ** 2
    return spread


def _sample_variance(sums: Sequence[int]) -> float:
    """Of integers, divided by n - 1."""
    n = len(sums)
    return (n * sum(s * s for s in sums) - sum(sums) ** 2) / (n * (n - 1))
