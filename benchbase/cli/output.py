"""What is written where: results to stdout, everything else to stderr, control codes of strangers spelt out. A reader that has gone away is no error."""
from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

from benchbase.values.escape import terminal

PIPE_WIDTH = 100  # columns of a table that no terminal shows, unless COLUMNS says otherwise


def out(text: str = "") -> None:
    """A line of the result."""
    _write(sys.stdout, f"{terminal(text)}\n")


def err(text: str = "") -> None:
    """A line about the work."""
    _write(sys.stderr, f"{terminal(text)}\n")


def print_json(document: Any) -> None:
    """The one document of --json."""
    _write(sys.stdout, json.dumps(document, indent=1, default=str, allow_nan=False) + "\n")


def print_rich(renderable: Any) -> None:
    """A table of rich, as wide as the terminal, in colour there unless NO_COLOR says otherwise. Its texts must be harmless already."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH
    console = Console(file=sys.stdout, width=width)
    with console.capture() as captured:
        console.print(renderable)
    _write(sys.stdout, "\n".join(line.rstrip() for line in captured.get().rstrip().split("\n")) + "\n")


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> Iterable[str]:
    """Rows as lines of aligned columns, without a library; the last column is cut to the terminal's width."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for row in rows:
        line = indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        yield line if len(line) <= limit else line[:limit - 3] + "..."


def count(number: int, noun: str) -> str:
    """"1 cell", "2 cells".

    >>> count(1, "cell"), count(1234, "cell")
    ('1 cell', '1,234 cells')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def seconds_text(seconds: float) -> str:
    """A duration in the units that people would choose.

    >>> seconds_text(3.21), seconds_text(75), seconds_text(9000)
    ('3.2 s', '1 min 15 s', '2 h 30 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def bytes_text(size: float) -> str:
    """A size in decimal units.

    >>> bytes_text(999), bytes_text(1_500_000)
    ('999 B', '1.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def flush() -> None:
    """Hand over what is still buffered, so that a closed pipe does not complain when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            _mute(stream)


def _write(stream: IO[str], text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _mute(stream)
    except UnicodeEncodeError:
        stream.write(text.encode(_encoding(stream), "replace").decode(_encoding(stream)))


def _encoding(stream: IO[str]) -> str:
    return getattr(stream, "encoding", None) or "ascii"


def _mute(stream: IO[str]) -> None:
    """Send what follows nowhere."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass
