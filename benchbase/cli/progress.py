"""What is seen of a run while it goes on: a live bar for each running stage on a terminal, one plain line a stage elsewhere, or nothing."""
from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from benchbase.cli.output import err, seconds_text
from benchbase.values.escape import terminal

if TYPE_CHECKING:
    from rich.progress import Progress

    from benchbase.flow.do import Event, Running


class Silent:
    """Says nothing."""

    def done(self, event: Event) -> None:
        """A stage has ended, or was found in the store."""

    def running(self, stage: Running) -> None:
        """A stage has begun, or has come as far as `stage.done`."""

    @contextmanager
    def stage(self, kind: str, label: str) -> Iterator[None]:
        """A block that is shown as a stage; when it raises, it has not ended."""
        from benchbase.flow.do import Event, Running

        started = time.perf_counter()
        self.running(Running(kind, label, label))
        try:
            yield
        except BaseException:
            self.running(Running(kind, label, label, 1.0))
            raise
        self.done(Event(kind, label, False, time.perf_counter() - started, label))


class Lines(Silent):
    """One line for each stage that has run, with the time since the start; none for what the store knew."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def done(self, event: Event) -> None:
        if not event.cached:
            self._tell(line(event))

    def running(self, stage: Running) -> None:
        if stage.note:
            self._tell(noted(stage))

    def _tell(self, text: str) -> None:
        err(f"[{time.monotonic() - self._started:7.1f} s] {text}")


class Bars(Silent):
    """A bar for each stage under way, gone when it ends; its line stays above the bars."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def running(self, stage: Running) -> None:
        if stage.done >= 1:
            self._end(stage.key)
            return
        if stage.note:
            self._print(noted(stage))
        if stage.key not in self._tasks:
            self._tasks[stage.key] = self._bars.add_task(terminal(f"{stage.kind:8}{stage.label}"), total=1.0)
        self._bars.update(self._tasks[stage.key], completed=stage.done)

    def done(self, event: Event) -> None:
        self._end(event.key)
        if not event.cached:
            self._print(line(event))

    def _print(self, text: str) -> None:
        self._bars.console.print(terminal(text), markup=False, highlight=False, soft_wrap=True)

    def _end(self, key: str) -> None:
        if key in self._tasks:
            self._bars.remove_task(self._tasks.pop(key))


def line(event: Event) -> str:
    """What a finished stage was, and how long it took."""
    return f"{event.kind:8}{event.label}: {seconds_text(event.seconds)}"


def noted(stage: Running) -> str:
    """What there is to be told of a stage under way."""
    return f"{stage.kind:8}{stage.label}: {stage.note}"


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
