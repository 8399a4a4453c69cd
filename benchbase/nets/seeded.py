"""Random numbers from a seed of our own, without touching the caller's global generators."""
from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch


def global_state() -> tuple[Any, ...]:
    """The state of every global generator a plugin could draw from: torch (and its devices in use), numpy, random."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    return torch.get_rng_state(), cuda, numpy.random.get_state(), random.getstate()


def restore(state: tuple[Any, ...]) -> None:
    """Set every global generator back to `state`."""
    cpu, cuda, numpys, pythons = state
    torch.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
    numpy.random.set_state(numpys)
    random.setstate(pythons)


def moved(before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
    """Which global generator was drawn from between two states: "torch", "numpy", "random", or "" for none."""
    if not torch.equal(before[0], after[0]) or any(not torch.equal(a, b) for a, b in zip(before[1], after[1])):
        return "torch"
    if before[2][2] != after[2][2] or (before[2][1] != after[2][1]).any():
        return "numpy"
    return "random" if before[3] != after[3] else ""


def seed_(seed: int) -> None:
    """Seed torch's global generators, of all devices that are there.

    `torch.manual_seed` also keeps the seed for every kind of device that is not, each time with the text of the whole call stack: a hundred
    times the work, and memory that is never freed.
    """
    if torch.cuda.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with every global generator seeded, and put the caller's states back after it."""
    before = global_state()
    try:
        seed_(seed)
        numpy.random.seed(seed % 2**32)
        random.seed(seed)
        yield
    finally:
        restore(before)
