from __future__ import annotations

import io
import re

import pytest
from factory import failure, judged, record, sha, sweep
from points import at
from rich.console import Console

from benchbase.board import text, tier
from benchbase.board.table import tables
from benchbase.values.budget import Budget

PROTOCOLS = ("one-shot", "finetune", "scratch-e", "scratch-b")
ALL = (*PROTOCOLS, "finetune-matched", "scratch-matched", "unpruned-long")


def printed(records, width=100, failures=(), encoding="utf-8", **console):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    Console(file=file, width=width, **console).print(text.render(tables(records, failures)))
    file.flush()
    return raw.getvalue().decode(encoding)


def full(protocols, seeds=5, **said):
    return sweep({p: [840 + s for s in range(seeds)] for p in protocols}, **said)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("protocols", [PROTOCOLS, ALL])
def test_fits_its_width_with_every_number_whole(width, protocols):
    page = printed([*full(protocols), *full(protocols, method="thinet[images=64]")], width)
    lines = page.splitlines()
    assert max(map(len, lines)) <= width
    if width >= 80:
        assert "…" not in page and page.count("93.76") >= 2 * (len(protocols) - 1)  # unpruned-long has a sentence instead of a column


def test_one_row_of_a_plain_run_in_two_lines_at_100_columns():
    page = printed(full(PROTOCOLS, 3), 100)
    at = next(i for i, line in enumerate(page.splitlines()) if line.startswith("l1-norm"))
    first, second = page.splitlines()[at:at + 2]
    assert re.findall(r"\d+\.\d\d ±\d\.\d\d", first) == ["96.88 ±0.00", *["93.65 ±0.11"] * 4] and "70.0k (2.0×)" in first
    assert second.split() == "0.5 → 50 %, n 3 500k (4.0×) BN 50.00 8 ep 30 ep 100 ep".split()


def test_the_answer_comes_first():
    lines = printed(judged(20)).splitlines()
    assert lines[0].startswith("digits · vgg-digits ─") and lines[1] == "Weights or architecture?"
    assert lines[2].strip() == "weights matter: l1-norm 0.5"


def test_gaps_beneath_with_their_intervals_drawn():
    page = printed(judged(20))
    assert page.index("finetune-") < page.index("finetune − scratch, matched") and "+2.23 [+2.23, +2.23]" in page
    line = next(line for line in page.splitlines() if "finetune − scratch, matched" in line)
    assert "┊" in line and line.index("│") < line.index("●") and "scratch ◂0▸ weights" in page


def test_no_colour_needed_and_none_where_there_is_no_terminal():
    assert "\x1b" not in printed(judged(20)) and "\x1b[" in printed(judged(20), force_terminal=True, color_system="standard")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_terminals_without_unicode(encoding):
    page = printed([*judged(20), *full(PROTOCOLS, model="modèle-数")], encoding=encoding)
    page.encode("ascii")
    assert "+2.23 [+2.23, +2.23]" in page and "+-0.18" in page and "scratch <0> weights" in page


def test_control_characters_and_markup_do_nothing():
    evil = "\x1b[31m[bold red]x[/]\x07\r\n\u202e:smile:"
    said = {"method": "[red]m[/red]", "params": {"a": evil}, "budget": Budget(macs=0.75, name=evil)}
    lost = failure(protocol="", seed=9, **said).model_copy(update={"message": evil})
    page = printed(full(PROTOCOLS, **said), 160, [lost], force_terminal=True, color_system="standard")
    bare = re.sub(r"\x1b\[[\d;]*m", "", page)
    assert all(c.isprintable() or c == "\n" for c in bare)
    assert "[red]m[/red]" in bare and "[bold red]x[/]" in bare and ":smile:" in bare


def test_flags_failures_and_letters():
    shared = sha("run")
    records = [record(method=m, protocol="scratch-e", seed=s, final=sha(shared, s)) for m in ("l1-norm", "thinet") for s in (0, 2)]
    mine = record(method="mine", method__distribution=None, method__distribution_version=None)
    page = printed([*records, mine], 100, [failure(method="thinet", protocol="scratch-e", seed=1)])
    assert "l1-norm [1]" in page and "[1] seeds 0, 2 are not 0 to 1" in page and "mine † [" in page and "†: not published" in page
    assert "30 ep a" in page and "a: the same runs in l1-norm 0.5, thinet 0.5 (scratch-e): counted once" in page
    assert "1 failed" in page and "n 2 of 3" in page


def test_how_far_a_row_was_checked_is_explained_once():
    page = " ".join(printed([*full(PROTOCOLS), *full(PROTOCOLS, method="thinet")]).split())
    words = {word: page.count(f"{word}: {said}") for word, said in tier.MEANING.items()}
    assert words == {"self-reported": 0, "re-scored": 1, "reproduced": 0} and page.count("re-scored ") == 2
    assert not any(word in printed([], failures=[failure(protocol="", seed=0)]) for word in words)  # no record, nothing to check


def test_failures_alone():
    page = printed([], failures=[failure(protocol="", seed=s) for s in range(3)])
    assert "0.5, n 0 of 3" in page and "3 seeds diverged: the loss is not finite" in page
    assert printed([]).strip() == "There are no records yet: `bench run` writes some."


def test_weights_stand_apart():
    masks = {"architecture__masks": sha("m"), "architecture__shapes": {}, "architecture__widths": {}, "kept": {}, "metrics__nonzero": 14_000}
    page = printed([record(), record(method="magnitude", **masks)])
    assert page.index("params") < page.index("l1-norm") < page.index("nonzero") < page.rindex("magnitude") and "14.0k (10.0×)" in page


@pytest.mark.parametrize("width", [60, 80, 100])
def test_ranks_and_the_interval_with_the_test_sample(width):
    page = printed([*at(4), *at(4, method="thinet"), *judged(20, budget=Budget(macs=0.9))], width)
    assert "rank, finetune" in page and page.count("1–2 of 2") == 2 and max(map(len, page.splitlines())) <= width
    assert "with the test sample" in page
    assert "rank, " not in printed(judged(20), width)
