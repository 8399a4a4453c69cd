from __future__ import annotations

import socket

import pytest

from benchbase.conformance.offline import offline


def test_no_connection_and_no_lookup_but_within_the_machine():
    with socket.socket() as server, offline():
        with socket.socket() as client, pytest.raises(OSError, match="network is off"):
            server.bind(("127.0.0.1", 0))
            client.connect(server.getsockname())
        with pytest.raises(OSError, match="network is off"):
            socket.getaddrinfo("localhost", 80)
        one, two = socket.socketpair()
        one.sendall(b"x")
        assert two.recv(1) == b"x"
        one.close(), two.close()


def test_it_is_put_back():
    before = socket.socket.connect, socket.getaddrinfo
    with pytest.raises(KeyError), offline():
        raise KeyError
    assert (socket.socket.connect, socket.getaddrinfo) == before
    with offline(active=False):
        assert (socket.socket.connect, socket.getaddrinfo) == before
