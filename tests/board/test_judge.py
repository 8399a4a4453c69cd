"""The judge is judged: planted tasks through the real tables, verdicts and ranks."""
from __future__ import annotations

import numpy as np
import pytest
from planted import drawn, renamed, words

from benchbase.board.verdict import ENOUGH, LITTLE, MATTER, SCRATCH, UNDECIDED

REPEATS = 200


@pytest.mark.parametrize("gain", [0.0, 3.0, -3.0])
def test_the_planted_gain_is_there(gain):
    rng = np.random.default_rng(0)
    found = [drawn(rng, 5, 4000, gain) for _ in range(100)]
    means = [100 * (bits["finetune-matched"].mean() - bits["scratch-matched"].mean()) for bits in found]
    assert np.mean(means) == pytest.approx(gain, abs=4 * np.std(means) / 10) and 0.85 < np.mean([b["scratch-matched"] for b in found]) < 0.95


def test_where_inheritance_helps_the_verdict_says_so():
    said = words(3.0, 5, 898, "digits", REPEATS)
    assert said[MATTER] >= 0.95 * REPEATS and sum(said.values()) == REPEATS


def test_where_it_does_not_help_enough_seeds_and_images_say_that_architecture_is_enough():
    """A gain of nothing is outside a 95 % interval in one sweep of forty on either side: "weights help a little" is the rest."""
    said = words(0.0, 10, 20_000, "imagenet", REPEATS)
    assert said[ENOUGH] >= 0.95 * REPEATS and said[MATTER] <= 0.025 * REPEATS and said[LITTLE] <= 0.05 * REPEATS


def test_few_seeds_on_a_small_test_split_leave_it_undecided_and_never_claim_weights():
    said = words(0.0, 5, 898, "digits", REPEATS)
    assert said[MATTER] <= 0.025 * REPEATS and said[ENOUGH] + said[UNDECIDED] + said[SCRATCH] + said[LITTLE] >= 0.975 * REPEATS
    assert said[""] == 0


def test_random_under_a_new_name_is_no_better_than_random():
    better, either = renamed(REPEATS, factors=(4, 16))
    assert better <= 0.05 * REPEATS and either <= 0.08 * REPEATS
