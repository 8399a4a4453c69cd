from __future__ import annotations

import pytest
from factory import record
from markup import Cells

from benchbase import BenchError, tables
from benchbase.board.notebook import Tables
from benchbase.values.record import write


def some(model: str = "vgg-digits", method: str = "l1-norm"):
    return [record(model=model, method=method, protocol=protocol, seed=seed, right=right + seed)
            for protocol, right in (("finetune", 850), ("scratch-b", 870)) for seed in range(3)]


def test_a_leaderboard_shows_itself(tmp_path):
    for each in [*some(), *some("other")]:
        write(each, tmp_path)
    found = tables(tmp_path)
    seen = Cells(found._repr_html_())
    assert len(found) == 2 and [t.setting.model for t in found] == ["other", "vgg-digits"] and isinstance(found[:1], Tables)
    accuracy = f"{100 * 851 / 898:.2f} ± {100 / 898:.2f}"
    assert seen.texts.count(accuracy) == 2 and {"l1-norm", "finetune", "scratch-b"} <= set(seen.texts)
    assert seen.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert any(text.startswith("finetune − scratch-b: −2.23") for text in seen.texts)
    assert "l1-norm" in repr(found) and accuracy.replace("± ", "±") in repr(found)


def test_names_of_strangers_are_text():
    seen = Cells(tables(some(method="<img src=x onerror=alert(1)>"))._repr_html_())
    assert "img" not in seen.tags and "<img src=x onerror=alert(1)>" in seen.texts


def test_no_records(tmp_path):
    assert "no records yet" in tables([])._repr_html_() and "no records yet" in repr(tables([]))
    with pytest.raises(BenchError):
        tables(tmp_path / "nothing")
