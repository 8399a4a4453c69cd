"""`bench` as a command on the path whose processes are forked from one that has imported what all of them need: seconds less for each of many."""
from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

BENCH = """#!{python}
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"+"], [1, 2])
    server.sendall(json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]]).encode())
    server.shutdown(socket.SHUT_WR)
    sys.exit(int(server.recv(16)))
"""


@contextlib.contextmanager
def bench_in(folder: Path, *warm: str) -> Iterator[Path]:
    """The command in `folder`, for as long as the block lasts. What `bench plan warm...` reads of networks is read once for all."""
    address = str(folder / "socket")
    (folder / "bench").write_text(BENCH.format(python=sys.executable, address=address))
    (folder / "bench").chmod(0o755)
    started = subprocess.Popen([sys.executable, __file__, address, *warm], stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        assert started.stdout and started.stdout.readline() == b"ready\n"
        yield folder / "bench"
    finally:
        started.kill()
        started.communicate()


def serve(address: str, *warm: str) -> None:
    """One command after another, each in a process of its own, which finds packages where its environment says. Nothing is trained here: torch's threads of
    backward passes do not outlive a fork."""
    from benchbase.cli import main
    from benchbase.flow import run

    run.Tools = partial(run.Tools, traces={})  # type: ignore[misc]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        main(["plan", *warm])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        print("ready", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                _, streams, *_ = socket.recv_fds(client, 1, 2)
                if not (child := os.fork()):
                    folder, environment, words = json.load(client.makefile())
                    os.chdir(folder)
                    os.environ.clear(), os.environ.update(environment)
                    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
                    for stream, number in zip(streams, (1, 2)):
                        os.dup2(stream, number)
                    code = main(words)
                    sys.stdout.flush(), sys.stderr.flush()
                    os._exit(code)
                for stream in streams:
                    os.close(stream)
                client.sendall(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


if __name__ == "__main__":
    serve(*sys.argv[1:])
