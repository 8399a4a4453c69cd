"""What runs on a node of the cluster: a stage at a time, its progress sent to where the sweep was started."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbase import BenchError

OPEN: dict[str, Callable[[Any], Any]] = {}  # of a worker process: the suite that it has open, by the name of the sweep


@dataclass(frozen=True)
class Opening:
    """How a worker opens the suite of a sweep. name: of the sweep.  folder: where its command was given: paths may be relative to it."""

    name: str
    make: Callable[[Callable[[Any], None]], Callable[[Any], Any]]
    send: Callable[[Any], None]
    folder: Path


def run(opening: Opening, step: Any) -> Any:
    """What comes of a stage; a BenchError where the suite cannot be opened on this node. The suite stays open for the next stage."""
    if opening.name not in OPEN:
        if opening.folder.is_dir():
            os.chdir(opening.folder)
        OPEN.clear()
        try:
            OPEN[opening.name] = opening.make(opening.send)
        except BenchError as error:
            return error
    return OPEN[opening.name](step)


class Inbox:
    """An actor beside the command, that keeps what workers tell until it is asked."""

    def __init__(self) -> None:
        self._items: list[Any] = []

    def put(self, item: Any) -> None:
        """Keep one more."""
        self._items.append(item)

    def take(self) -> list[Any]:
        """All that has come since this was last called."""
        items, self._items = self._items, []
        return items


@dataclass(frozen=True)
class Sender:
    """Sends to an Inbox, and waits for nothing."""

    inbox: Any

    def __call__(self, item: Any) -> None:
        self.inbox.put.remote(item)
