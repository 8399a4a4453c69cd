from __future__ import annotations

import random

import numpy as np
import pytest
from factory import record, sweep

from benchbase.board import crossed as module
from benchbase.board.crossed import bits_of, crossed, crossed_of
from benchbase.board.stats import paired_t
from benchbase.board.table import tables
from benchbase.values.bits import pack_bits, unpack_bits


def networks(rng, seeds, images, gap=0.2, seed_sd=0.1):
    """Two methods' networks: images differ in difficulty, seeds in skill, and each method has images of its own that it finds easy."""
    hard, own = rng.normal(3, 2, images), rng.normal(0, 0.8, images)

    def net(side):
        return hard + rng.normal(0, seed_sd, (seeds, 1)) + side * (gap / 2 + own) + rng.normal(0, 0.7, (seeds, images)) > 0
    return net(1).astype(np.uint8), net(-1).astype(np.uint8)


def test_bits_are_those_of_the_record():
    rng = random.Random(0)
    for n in (1, 7, 8, 9, 898):
        bits = [rng.random() < 0.5 for _ in range(n)]
        said = record(n=n, right=sum(bits), base_right=0, correct=pack_bits(bits))
        assert bits_of(said).tolist() == [int(b) for b in unpack_bits(said.correct, n)] == [int(b) for b in bits]


def test_the_mean_is_that_of_the_accuracies_and_the_name_says_the_digits():
    a, b = networks(np.random.default_rng(0), 5, 400)
    one = crossed(a, b, "x")
    assert one.mean == pytest.approx(100 * (a.mean() - b.mean())) and one.n == 5 and one.low < one.mean < one.high
    assert crossed(a, b, "x") == one != crossed(a, b, "y")
    assert crossed(a, b, "y").high == pytest.approx(one.high, abs=0.1 * (one.high - one.low))
    back = crossed(b, a, "x")
    assert (back.low, back.high) == pytest.approx((-one.high, -one.low))


def test_the_variance_is_that_of_the_plain_resampling_of_seeds_and_images():
    """Drawn image by image, without grouping equal ones: n - 1 of n seeds, all images."""
    a, b = networks(np.random.default_rng(1), 4, 300)
    d = a.astype(int) - b
    rng, means = np.random.default_rng(2), []
    for _ in range(4000):
        means.append(d[np.ix_(rng.integers(0, 4, 3), rng.integers(0, 300, 300))].mean())
    assert module._resampled(d, "x", 4000) == pytest.approx(np.var(means, ddof=1), rel=0.12)


def test_where_images_do_not_matter_it_is_the_t_interval():
    """All images alike: only seeds vary, and both intervals say so."""
    right = np.array([[1] * 1000, [0] * 1000, [1] * 1000, [0] * 1000, [1] * 1000])
    got, want = crossed(right, np.zeros_like(right), "x"), paired_t([100, 0, 100, 0, 100], [0.0] * 5)
    assert got.high - got.low == pytest.approx(want.high - want.low, rel=0.1) and got.mean == want.mean


def test_where_seeds_do_not_matter_it_is_that_of_the_sample():
    """898 images at 97.5 %, a tenth of them disagreeing at every seed: the t interval has no width, the sample has."""
    flip = np.zeros(898, dtype=int)
    flip[:10], flip[10:20] = 1, -1
    a, b = np.tile(np.maximum(flip, 0), (5, 1)), np.tile(np.maximum(-flip, 0), (5, 1))
    got = crossed(a, b, "x")
    assert paired_t([1.0] * 5, [1.0] * 5).low == 0 and got.high == pytest.approx(100 * 1.962 * (20 ** 0.5) / 898, rel=0.1)


@pytest.mark.parametrize("seeds", [3, 5])
def test_it_covers_the_difference_on_all_images_where_the_t_interval_covers_less(seeds):
    rng = np.random.default_rng(seeds)
    truth = np.mean([100 * (a.mean() - b.mean()) for a, b in (networks(rng, seeds, 4000) for _ in range(300))])
    hits = narrow = 0
    repeats = 300
    for i in range(repeats):
        a, b = networks(rng, seeds, 300)
        got, over_seeds = crossed(a, b, str(i), resamples=300), paired_t(list(100 * a.mean(1)), list(100 * b.mean(1)))
        hits += got.low <= truth <= got.high
        narrow += over_seeds.low <= truth <= over_seeds.high
    assert 0.93 <= hits / repeats <= 1 and narrow < hits


def test_one_seed_has_no_interval_and_strangers_none_at_all():
    assert crossed([[1, 0]], [[0, 0]], "x") == module.Interval(50.0, None, None, 1)
    for a, b in (([], []), ([[1]], [[1], [0]]), ([[1, 0]], [[1]]), ([[]], [[]])):
        with pytest.raises(ValueError):
            crossed(a, b, "x")
    assert crossed_of([(record(n=898), record(n=900, right=850, protocol="scratch-b"))]) is None
    assert crossed_of([(record(correct="AAAA"), record(protocol="scratch-b"))]) is None


def test_the_headline_of_a_row_has_it():
    (table,) = tables(sweep({p: [850, 852, 849] for p in ("finetune", "scratch-b", "finetune-matched", "scratch-matched")}))
    gaps = {gap.name: gap for gap in table.rows[0].gaps}
    assert gaps["matched"].crossed.mean == pytest.approx(gaps["matched"].interval.mean) and gaps["paper"].crossed is None
    (table,) = tables(sweep({p: [850, 852, 849] for p in ("finetune", "scratch-b")}))
    assert table.rows[0].gaps[0].name == "paper" and table.rows[0].gaps[0].crossed.n == 3
