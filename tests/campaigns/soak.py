"""Hours of work in one process: cells of a suite, then the same cells again out of the store; what the process holds after each.

    export OMP_NUM_THREADS=1
    python tests/campaigns/soak.py --suite digits-all --minutes 25 --result FILE

The first pass takes as many cells as fit into the time, drawn over the whole suite by a seed; the second takes the same ones. The whole
suite is planned before either, as `bench run` does. What came of it is written into FILE after every 25 cells. Exit code 1 where memory or open
files grew, where a cell failed, where the second pass trained or wrote anything, or where a file of the store is not what was written.
"""
from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from crash import Report, Result, folder, reporting

MORE_MB, MORE_FILES = 50, 2  # growth that an allocator's rest, or a file just closed, does not explain
TOLD = 20  # samples of a pass in the result


@dataclass(frozen=True)
class Held:
    """What the process holds when a cell is done, and what that cell did. rss_mb: resident megabytes.  files: open ones."""

    rss_mb: float
    files: int
    trained: int = 0
    failed: int = 0


def soak(root: Path, suite_name: str, minutes: float, seed: int, report: Report) -> Result:
    """Two passes over the same cells of a suite, in this process. Raises BenchError for a suite that is not there."""
    first: list[Held] = []
    ends = time.monotonic() + 60 * minutes
    for held in passed(root, suite_name, seed, count()):
        first.append(held)
        if len(first) % 25 == 0:
            report(soaked(first, [], {"suite": suite_name}))
        if time.monotonic() >= ends:
            break
    before = written(root)
    second = list(passed(root, suite_name, seed, range(len(first))))
    result = soaked(first, second, {"suite": suite_name, "records": len(before), **verified(root)})
    result["wrong"] += ["the second pass wrote other records"] * (written(root) != before)
    report(result)
    return result


def passed(root: Path, suite_name: str, seed: int, numbers: Any) -> Iterator[Held]:
    """Plan a suite and run its cells here, those of the given numbers in the order drawn by `seed`; what is held after each."""
    from benchbase.cli.options import suite_path
    from benchbase.flow.plan import Planner
    from benchbase.flow.run import open_suite, who_shares
    from benchbase.flow.settings import Settings
    from benchbase.plugin.manager import load_plugins
    from benchbase.values.spec import read_suite

    plugins = load_plugins()
    bench = open_suite(read_suite(suite_path(suite_name, plugins)), Settings(root / "store", root / "data", root / "board", device="cpu"), plugins)
    shared = who_shares(bench, Planner(bench.do))
    order = random.Random(seed).sample(range(len(bench.cells)), len(bench.cells))
    for index, _ in zip(order, numbers, strict=False):
        told = bench(index, shared)
        failed = sum(kind != "not_applicable" for _, kind, _ in told.failures)
        yield Held(memory(), len(os.listdir("/proc/self/fd")), sum(e.kind == "train" and not e.cached for e in told.events), failed)


def soaked(first: Sequence[Held], second: Sequence[Held], also: Result) -> Result:
    """What a process held in its two passes, in short, and what of it is wrong: growth after the first half of the first pass, failures, and
    trainings in the second."""
    half = len(first) // 2
    early, late = first[:half + 1], [*first[half + 1:], *second]
    grown = max((h.rss_mb for h in late), default=0.0) - max(h.rss_mb for h in early)
    files = max((h.files for h in late), default=0) - max(h.files for h in early)
    wrong = [f"grew by {grown:.0f} MB"] * (grown > MORE_MB) + [f"{files} more files open"] * (files > MORE_FILES) \
        + ["a cell failed"] * any(h.failed for h in (*first, *second)) + ["the second pass trained"] * any(h.trained for h in second) \
        + ["the second pass is shorter"] * (0 < len(second) < len(first))
    return {**also, "cells": len(first), "cells_again": len(second), "trainings": sum(h.trained for h in first), "trainings_again": sum(h.trained for h in second),
            "rss_mb_first": thinned([round(h.rss_mb) for h in first]), "rss_mb_again": thinned([round(h.rss_mb) for h in second]),
            "rss_mb_after_first": round(first[-1].rss_mb), "rss_mb_after_again": round(second[-1].rss_mb) if second else None,
            "grown_mb_after_half_of_first": round(grown, 1), "open_files_at_most": max(h.files for h in (*first, *second)),
            "wrong": [*wrong, *also.get("wrong", [])]}


def thinned(numbers: Sequence[int]) -> list[int]:
    """At most `TOLD` of them, evenly, with the last."""
    step = -(-len(numbers) // TOLD) or 1
    return list(numbers[::-1][::step][::-1])


def verified(root: Path) -> Result:
    """What `bench store verify` says of the store."""
    from benchbase.cli import main as bench

    with contextlib.redirect_stdout(io.StringIO()) as said:
        bench(["store", "verify", "--store", str(root / "store"), "--json"])
    told = json.loads(said.getvalue())
    return {"stages_verified": told["checked"], "wrong": [f"{len(told['damaged'])} damaged stages"] * bool(told["damaged"])}


def written(root: Path) -> dict[str, bytes]:
    """Every record below the leaderboard."""
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "board").rglob("*.json")}


def memory() -> float:
    """Megabytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="digits-all", help="its name, or a file")
    parser.add_argument("--minutes", type=float, default=25.0, help="of the first pass")
    parser.add_argument("--seed", type=int, default=0, help="of the order of cells")
    parser.add_argument("--result", type=Path, required=True)
    asked = parser.parse_args()
    _, report = reporting(asked.result, "soak")
    with folder() as root:
        return int(bool(soak(root, asked.suite, asked.minutes, asked.seed, lambda result: report({**result, "seed": asked.seed}))["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
