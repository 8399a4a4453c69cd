"""What a check says."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """check: the paragraph of plugins/README.md that explains it.  subject: what is wrong, "method l1-norm".  what, todo: one line each."""

    check: str
    subject: str
    what: str
    todo: str = ""

    @property
    def link(self) -> str:
        """Where it is explained."""
        return f"plugins/README.md#{self.check}"

    def __str__(self) -> str:
        return "\n".join(line for line in (f"{self.subject}: {self.what}", self.todo, f"see {self.link}") if line)


class Unchecked(Exception):
    """A check could not be made, through no fault of the plugin: data that are not here, say."""
