from __future__ import annotations

import random

import numpy
import torch

from benchbase.nets import seeded


def test_the_callers_generators_are_untouched_and_the_block_is_seeded():
    before = seeded.global_state()
    draws = []
    for _ in range(2):
        with seeded.seeded(2**62 + 1):
            draws.append((torch.rand(3).tolist(), numpy.random.rand(), random.random()))
    assert draws[0] == draws[1]
    assert seeded.moved(before, seeded.global_state()) == ""


def test_a_draw_is_noticed_and_named():
    before = seeded.global_state()
    for name, draw in [("torch", lambda: torch.rand(1)), ("numpy", lambda: numpy.random.rand()), ("random", random.random)]:
        draw()
        assert seeded.moved(before, seeded.global_state()) == name
        seeded.restore(before)


def test_seeding_draws_what_torchs_own_does():
    with seeded.seeded(0):
        torch.manual_seed(7)
        wanted = torch.rand(5)
        seeded.seed_(7)
        assert torch.equal(torch.rand(5), wanted)
