"""The command line: `bench`. One command a module, imported when it is used."""
from __future__ import annotations

import os
from collections.abc import Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run `bench` with `args` (default: those of the process) and return its exit code.

    0: all done.  1: a cell failed.  2: the command or a file was wrong.  130: interrupted; the same command goes on from there.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads: threads that spin while they wait slow every neighbour
    from benchbase.cli.guard import guarded

    return guarded(args)
