"""How a time grows with the size of its task."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SLACK = 1.6  # times what linear growth from the first size to the last would be


def exponent(seconds: Mapping[int, float]) -> float:
    """The exponent of the size by which the seconds grow from the first size to the last."""
    (first, least), *_, (last, most) = seconds.items()
    return math.log(most / least) / math.log(last / first)


def grows(benchmark: Any, name: str, seconds: Mapping[int, float]) -> None:
    """Writes down the seconds at each size, the smallest first, and their exponent; fails where they grow much more than linearly."""
    benchmark.extra_info[name] = {f"{size:,}": f"{value:.2f} s" for size, value in seconds.items()} | {"exponent": exponent(seconds)}
    (first, least), *_, (last, most) = seconds.items()
    assert most <= SLACK * least * last / first
