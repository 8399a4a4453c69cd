"""A stage under way, as it sees itself."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Course:
    """tick: called with the part of the stage that is behind, from 0 to 1.  say: tells whoever watches one line.  folder: where it may keep
    how far it has come, None where it may not.  key, sweep: of the stage and of the sweep that runs it.  anew: go on from nothing that
    another sweep has left.  epoch: called after each epoch of a training with its number from 1, that of the last one, the mean loss of its
    steps and the learning rate at its end."""

    tick: Callable[[float], None] = lambda part: None
    say: Callable[[str], None] = lambda text: None
    folder: Path | None = None
    key: str = ""
    sweep: str = ""
    anew: bool = False
    epoch: Callable[[int, int, float, float], None] = lambda epoch, epochs, loss, rate: None
