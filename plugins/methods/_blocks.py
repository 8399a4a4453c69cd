"""What methods that drop residual blocks share. No torch is loaded with it."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Blocks:
    """All blocks, as a budget counts them."""

    width: int
    name: str = "blocks"
