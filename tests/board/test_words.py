from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
from factory import BASE, judged, record, sweep
from hypothesis import given
from hypothesis import strategies as st
from points import at

import benchbase.board
from benchbase.board import words
from benchbase.board.stats import Interval, Spread
from benchbase.board.table import tables


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(benchbase.board.__path__)])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"benchbase.board.{name}")).failed == 0


@given(st.text(max_size=300))
def test_plain_text_is_one_printable_line(text):
    clean = words.plain(text)
    assert all(c.isprintable() for c in clean) and clean == words.plain(clean) and len(clean) <= 400


def test_plain_leaves_names_alone_and_cuts_what_is_long():
    assert words.plain("thinet[images=64] ± ü 数") == "thinet[images=64] ± ü 数"
    assert words.plain("a\u202eb\u200bc\x1b]0;x\x07\r\n\td") == "abc]0;x d"
    assert words.plain("x" * 500, 10) == "x" * 9 + "…"


@given(st.floats(0, 1e20))
def test_counts_keep_three_digits_and_round_once(number):
    text = words.si(number)
    unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}.get(text[-1], 1)
    value = float(text.rstrip("kMGTPE"))
    assert value < 1000 and value * unit == pytest.approx(number, rel=0.0051, abs=0.0051)


def test_ranges_only_where_seeds_differ():
    assert words.epochs(Spread(24, 24, 24)) == "24" and words.epochs(Spread(30, 24, 36)) == "24–36" and words.epochs(None) == words.NOTHING
    assert words.many(Spread(1000.2, 1000, 1001)) == "1.00k"


def test_points():
    assert words.interval(Interval(0.004, -0.1, 0.0, 3)) == "0.00 [−0.10, 0.00]" and words.interval(Interval(2, None, None, 1)) == "+2.00 (one seed)"


def test_a_recipe_in_one_line():
    from dataclasses import asdict, replace
    assert words.recipe(asdict(BASE)) == "30 epochs, batch 64, rate 0.1 (×0.1 at 0.5, 0.75), decay 0.0001"
    odd = replace(BASE, schedule="cosine", nesterov=True, warmup=0.1)
    assert words.recipe(asdict(odd)) == "30 epochs, batch 64, rate 0.1 cosine to 0, decay 0.0001, nesterov True, warmup 0.1"


def test_answers_name_every_row_once_strongest_first():
    (table,) = tables([*judged(20), *judged(0, method="thinet"), *sweep({"finetune": [850]}, method="random")])
    assert [(word, rows.split(" (")[0]) for word, rows in words.answers(table)] == [
        ("weights matter", "l1-norm 0.5"), ("architecture is enough", "thinet 0.5"), ("no verdict", "random 0.5")]
    (table,) = tables([record(method=f"m{i}") for i in range(9)])
    assert words.answers(table)[0][1].startswith("all rows (not compared at equal compute; ")


def test_what_is_known_of_the_base():
    said = {None: "no run of unpruned-long", True: "Base converged", False: "Base not converged"}
    cases = {None: sweep({"finetune": [850]}), True: judged(0), False: judged(0, long=890)}
    for state, records in cases.items():
        (table,) = tables(records)
        assert table.base.converged is state and said[state] in words.base(table)
    (short,) = tables([*judged(0), record(protocol="scratch-b", metrics__epochs=1000)])
    assert short.base.converged is None and "longest scratch training took 1000 epochs" in words.base(short)


def test_ranks_points_and_second_intervals():
    clear = [r for m, right in (("a", 880), ("b", 840), ("c", 800)) for r in at(4, right, seeds=5, method=m) if r.seed % 5 < 5]
    spread = [r.model_copy(update={"metrics": r.metrics.model_copy(update={"top1": r.metrics.top1 + 0.01 * (r.seed * ord(r.method.name) % 3)})})
              for r in clear]
    (table,) = tables([*spread, *at(3, method="c")])
    told = {row.label: (words.place(row), words.rank(row, "finetune")) for row in table.rows}
    assert told == {"c macs=0.666667": ("3×, no common point", "–"), "a macs=0.75": ("4×", "1 of 3"), "b macs=0.75": ("4×", "2 of 3"),
                    "c macs=0.75": ("4×", "3 of 3")}
    (table,) = tables(judged(20))
    assert words.sample(table.rows[0].gap("matched")).startswith("[+1.") and words.rank(table.rows[0], "finetune-matched") == words.NOTHING
