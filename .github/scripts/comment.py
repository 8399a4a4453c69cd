"""A report out of a pull request's run, made harmless: text that pings nobody, hides nothing and leads nowhere, of bounded length.

    comment.py REPORT.md > COMMENT.md

The report was written by a run that the pull request may have changed, so that it is a stranger's text.
"""
from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

MOST = 60_000  # characters; a comment may have 65,536
MARK = "<!-- records -->"  # by which the comment is found again
NOTE = "\n\nWhat the pull request's own run says. The check's status counts.\n"


def clean(text: str) -> str:
    """The text without what a comment could do beside being read."""
    text = "".join(c for c in text[:MOST] if c == "\n" or unicodedata.category(c)[0] not in "C")
    text = text.replace("<", "&lt;")
    text = re.sub(r"!?\[([^\]\n]*)\]\([^)\n]*\)", r"\1", text)
    return re.sub(r"(?i)@(?=[\w-])|\b(?:https?|ftp)(?=:)|\bwww(?=\.)|#(?=\d)", lambda m: f"{m[0]}\N{ZERO WIDTH SPACE}", text)


if __name__ == "__main__":
    with Path(sys.argv[1]).open(encoding="utf-8", errors="replace") as file:
        sys.stdout.write(f"{MARK}\n{clean(file.read(MOST))}{NOTE}")
