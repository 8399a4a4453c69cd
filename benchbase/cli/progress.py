"""What is seen of a run while it goes on: a live bar for each running stage on a terminal, one plain line a stage elsewhere, or nothing."""
from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from benchbase.cli.output import err, seconds_text

if TYPE_CHECKING:
    from rich.progress import Progress

    from benchbase.flow.do import Event, Running


class Silent:
    """Counts what was run and what came out of the store, and says nothing."""

    def __init__(self) -> None:
        self.trained, self.cached = 0, 0

    def done(self, event: Event) -> None:
        """A stage has ended, or was found in the store."""
        self.cached += event.cached
        self.trained += event.kind == "train" and not event.cached

    def running(self, stage: Running) -> None:
        """A stage has begun, or has come as far as `stage.done`."""

    def say(self, text: str) -> None:
        """A line about the run as a whole."""


class Lines(Silent):
    """One line for each stage that has run, with the time since the start. What the store knew is counted, not listed."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()

    def done(self, event: Event) -> None:
        super().done(event)
        if not event.cached:
            self.say(line(event))

    def say(self, text: str) -> None:
        err(f"[{time.monotonic() - self._started:7.1f} s] {text}")


class Bars(Silent):
    """A bar for each stage under way, gone when it ends; its line stays above the bars."""

    def __init__(self, bars: Progress) -> None:
        super().__init__()
        self._bars, self._tasks = bars, {}  # type: ignore[var-annotated]

    def running(self, stage: Running) -> None:
        if stage.done >= 1:
            self._end(stage.key)
            return
        if stage.key not in self._tasks:
            self._tasks[stage.key] = self._bars.add_task(f"{stage.kind:8}{stage.label}", total=1.0)
        self._bars.update(self._tasks[stage.key], completed=stage.done)

    def _end(self, key: str) -> None:
        if key in self._tasks:
            self._bars.remove_task(self._tasks.pop(key))

    def done(self, event: Event) -> None:
        super().done(event)
        self._end(event.key)
        if not event.cached:
            self.say(line(event))

    def say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)


def line(event: Event) -> str:
    """What a finished stage was, and how long it took."""
    return f"{event.kind:8}{event.label}: {seconds_text(event.seconds)}"


@contextmanager
def progress(quiet: bool) -> Iterator[Silent]:
    """The observer of a run, as the terminal and -q ask for."""
    if quiet or not sys.stderr.isatty():
        yield Silent() if quiet else Lines()
        return
    with _bars() as bars:
        yield Bars(bars)


def _bars() -> AbstractContextManager[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=30), TaskProgressColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), refresh_per_second=4, transient=True)
