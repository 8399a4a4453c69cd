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
