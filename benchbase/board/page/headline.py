"""The answer in one sentence: how many cells have which verdict, and why others have none."""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchbase.board import verdict
from benchbase.board.table import Table

# Verdict -> what the sentence says of its count.
SAID = {verdict.MATTER: "inherited weights matter in {}", verdict.LITTLE: "help a little in {}", verdict.ENOUGH: "architecture is enough in {}",
        verdict.SCRATCH: "training from scratch is better in {}", verdict.UNDECIDED: "it is undecided in {}"}


def smoke(table: Table) -> bool:
    """Whether a table shows that the pipeline works, and is no evidence."""
    return table.setting.dataset.startswith("digits")


def headline(tables: Sequence[Table]) -> dict[str, Any]:
    """The sentence, the counts behind it, and why cells have no verdict, most frequent reason first."""
    rows = [row for table in tables for row in table.rows]
    counts = Counter(row.verdict.word for row in rows if row.verdict.word)
    why = Counter(reason for row in rows if not row.verdict.word for reason in row.verdict.reasons)
    judged = sum(counts.values())
    return {"sentence": sentence(counts, judged, len(rows)), "aside": aside(why, len(rows) - judged, judged), "cells": len(rows),
            "tables": len(tables), "judged": judged, "counts": {word: counts[word] for word in verdict.WORDS},
            "why": [list(item) for item in _ordered(why)]}


def sentence(counts: Counter[str], judged: int, cells: int) -> str:
    """The counts in words.

    >>> sentence(Counter({"weights matter": 2, "undecided": 1}), 3, 5)
    'At equal compute, inherited weights matter in 2, architecture is enough in 0, and it is undecided in 1, of 3 judged cells.'
    """
    if not cells:
        return "There are no records here yet."
    if not judged:
        return f"No verdict yet on {'the one cell' if cells == 1 else f'any of {cells} cells'}: numbers are shown, conclusions are not due."
    shown = [SAID[word].format(counts[word]) for word in verdict.WORDS if counts[word] or word in (verdict.MATTER, verdict.ENOUGH)]
    parts = f"{', '.join(shown[:-1])}, and {shown[-1]}"
    return f"At equal compute, {parts}, of {judged} judged cell{'s' if judged != 1 else ''}."


def aside(why: Counter[str], without: int, judged: int) -> str:
    """Why cells have no verdict."""
    if not without:
        return ""
    reasons = "; ".join(f"{reason} ({count})" for reason, count in _ordered(why)[:3])
    return f"{without} {'more ' if judged else ''}without a verdict: {reasons}." if reasons else ""


def _ordered(why: Counter[str]) -> list[tuple[str, int]]:
    return sorted(why.items(), key=lambda item: (-item[1], item[0]))
