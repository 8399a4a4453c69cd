"""What is wrong with a leaderboard: where, why, and what to do."""
from __future__ import annotations

from dataclasses import dataclass

WRONG, NOTE = "wrong", "note"


@dataclass(frozen=True)
class Finding:
    """file: path from the leaderboard's folder on.  reason, todo: one line each.  level: "wrong" for what is refused, "note" for what a
    reader should know and nobody has to mend."""

    file: str
    reason: str
    todo: str
    level: str = WRONG

    @property
    def wrong(self) -> bool:
        """Whether the board is refused for it."""
        return self.level == WRONG


class Refused(ValueError):
    """A file that is no record: why, and what to do."""

    def __init__(self, reason: str, todo: str) -> None:
        super().__init__(reason)
        self.reason, self.todo = reason, todo


def ordered(findings: list[Finding]) -> list[Finding]:
    """Each finding once: refusals first, by file."""
    return sorted(dict.fromkeys(findings), key=lambda f: (not f.wrong, f.file))
