"""No network while plugins are checked: nothing is downloaded unasked, and fresh weights are not fetched ones."""
from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOCAL = getattr(socket, "AF_UNIX", None)


@contextmanager
def offline(active: bool = True) -> Iterator[None]:
    """Connections to other machines raise OSError in here; what processes of this machine say to each other by a file's name does not."""
    if not active:
        yield
        return
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def refused(self: socket.socket, address: Any) -> None:
        if self.family != LOCAL:
            raise OSError("the network is off while a plugin is checked")
        connect(self, address)

    def unanswered(*args: Any, **kwargs: Any) -> Any:
        raise OSError("the network is off while a plugin is checked")

    socket.socket.connect, socket.getaddrinfo = refused, unanswered  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        socket.socket.connect, socket.getaddrinfo = connect, lookup  # type: ignore[method-assign]
