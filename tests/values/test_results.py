from __future__ import annotations

import doctest
import statistics

import pytest
from markup import Cells

from benchbase import BenchError, Cost
from benchbase.values import results
from benchbase.values.results import Result, Results, html_table

DENSE, SMALL = Cost(1000, 9000, 1000, 9000), Cost(250, 3000, 250, 3000)
FOUND = Results((Result("unpruned", "as given", 0, (90.0,), (0.3,)),
                 Result("<script>alert(1)</script>", "fresh", 7, (80.0, 81.0, 83.0), (0.5, 0.5, 0.8))), DENSE, SMALL)


def test_doctests():
    assert doctest.testmod(results).failed == 0


def test_as_text():
    lines = repr(FOUND).splitlines()
    assert lines[0] == "pruned: parameters 250 of 1,000 (4.0x), multiply-adds 3,000 of 9,000 (3.0x)"
    assert lines[1].split() == ["protocol", "weights", "epochs", "top-1", "in", "%", "loss", "n"]
    assert lines[2].split() == ["unpruned", "as", "given", "0", "90.00", "0.3000", "1"]
    assert lines[3].split()[1:] == ["fresh", "7", f"{statistics.mean((80, 81, 83)):.2f}", "±", f"{statistics.stdev((80, 81, 83)):.2f}", "0.6000", "3"]


def test_as_html_with_every_name_as_text():
    seen = Cells(FOUND._repr_html_())
    assert seen.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "<script>alert(1)</script>" in seen.texts and "81.33 ± 1.53" in seen.texts
    assert Cells(html_table(["<i>"], [["&amp;"]], "<b>")).texts == ["<b>", "<i>", "&amp;"]


def test_rows_by_name():
    assert FOUND["unpruned"].mean == 90 and FOUND["unpruned"].std is None and [len(r.top1) for r in FOUND] == [1, 3] and len(FOUND) == 2
    with pytest.raises(BenchError, match="unknown protocol 'unprund'"):
        FOUND["unprund"]
