"""`bench leaderboard verify` on 10,000 records: processor seconds, and that they grow with the records.

`pytest benchmarks/speed/test_verify_board.py` prints the table. Processor time is measured, so that a busy machine tells the same.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path

from growth import grows

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "board"))
from many import fill, many

from benchbase.board.build import build
from benchbase.board.verify import verify

SIZES = (2500, 5000, 10_000)


def test_verify_grows_with_the_records(tmp_path, benchmark):
    benchmark.pedantic(lambda: None)
    records = list(many(max(SIZES)))
    seconds = {}
    for size in SIZES:
        folder = fill(tmp_path / str(size), records[:size])
        build(folder)
        for name, tables in (("records alone", False), ("with tables and page", True)):
            start = time.process_time()
            report = verify(folder, tables=tables)
            seconds[name, size] = time.process_time() - start
            assert report.wrong == () and report.records == size
    for name in ("records alone", "with tables and page"):
        grows(benchmark, name, {size: seconds[name, size] for size in SIZES})
