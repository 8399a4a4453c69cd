"""Progress out of worker processes, while they work."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sender:
    """The end of a pipe that any number of workers write to. It pickles where a process is being started, and only there."""

    pipe: Any

    def __call__(self, item: Any) -> None:
        """Send one item. Far below 4096 bytes it is one write, whole or absent, so that no worker waits for another or spoils its words."""
        try:
            self.pipe.send(item)
        except OSError:  # who asked is gone
            pass


@contextmanager
def relay(receive: Callable[[Any], None]) -> Iterator[Sender]:
    """A Sender for workers; `receive` is called here, in a thread of its own, with each item in turn, all of them before the block is left."""
    import multiprocessing
    from threading import Thread

    reader, writer = multiprocessing.get_context("spawn").Pipe(duplex=False)
    thread = Thread(target=_listen, args=(reader, receive), daemon=True)
    thread.start()
    try:
        yield Sender(writer)
    finally:
        writer.send(None)
        thread.join()
        reader.close()
        writer.close()


def _listen(reader: Any, receive: Callable[[Any], None]) -> None:
    while (item := reader.recv()) is not None:
        receive(item)
