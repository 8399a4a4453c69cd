"""What methods that read images need: the first of them. No torch is loaded with it."""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchbase import BenchError

if TYPE_CHECKING:
    from torch import Tensor


def first_images(data: Iterable[tuple[Tensor, Tensor]], count: int, method: str) -> list[Tensor]:
    """The first `count` images of the batches, a list of batches. Raises BenchError, kind "not_applicable", where there are none."""
    batches: list[Tensor] = []
    for images, _ in data:
        batches.append(images[:count])
        count -= len(batches[-1])
        if count <= 0:
            break
    if not batches:
        raise BenchError(f"{method} reads images and the data have none", "give at least one batch of (images, labels)", kind="not_applicable")
    return batches
