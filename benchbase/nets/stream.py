"""The caller's batches, as a method reads them."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchbase.errors import BenchError
from benchbase.nets import seeded


class Stream:
    """The caller's batches with random numbers of their own, so that a shuffling loader neither draws from the caller's global
    generators nor makes the method look as if it had: the same batches in every iteration."""

    def __init__(self, data: Iterable[Any] | None, method: str, seed: int, device: torch.device) -> None:
        self._data, self._method, self._seed, self._device = data, method, seed, device

    def __iter__(self) -> Iterator[Any]:
        if self._data is None:
            raise BenchError(f"{self._method} reads images and none were given", "give data: batches of (images, labels)", kind="not_applicable")
        with seeded.seeded(self._seed):
            batches, own = iter(self._data), seeded.global_state()
        while True:
            outside = seeded.global_state()
            seeded.restore(own)
            try:
                batch = next(batches)
            except StopIteration:
                return
            finally:
                own = seeded.global_state()
                seeded.restore(outside)
            yield tuple(t.to(self._device) if isinstance(t, Tensor) else t for t in batch)
