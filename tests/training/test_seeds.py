from __future__ import annotations

from benchbase.training.seeds import Seeds


def test_each_part_and_epoch_has_its_own_stream():
    seeds = [Seeds(seed, name).of(part, epoch) for seed in (0, 1) for name in ("a", "b") for part in ("order", "augmentation", "dropout")
             for epoch in range(3)]
    assert len(set(seeds)) == len(seeds) and all(0 <= s < 2**63 for s in seeds)


def test_the_same_context_has_the_same_stream():
    assert Seeds(3, "a").of("order", 2) == Seeds(3, "a").of("order", 2)
