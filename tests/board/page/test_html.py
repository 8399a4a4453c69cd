from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from factory import judged, record

from benchbase.board.page.data import data_of
from benchbase.board.page.html import HERE, SCRIPTS, block, papers_of, render
from benchbase.board.reported import Cited
from benchbase.board.table import tables
from benchbase.errors import BenchError

TABLES = tables(judged(20, dataset="cifar10"))
CITED = {"l1-norm": Cited("Li, Kadav. Pruning Filters. ICLR 2017", ({"dataset": "CIFAR-10", "model": "vgg-digits", "target": "0.5", "finetune": 93.0,
                                                                     "source": "s"},)),
         "absent": Cited("Nobody. Nothing. ICML 2020")}


def test_the_data_can_be_taken_out_again():
    assert json.loads(block(render(TABLES))) == json.loads(json.dumps(data_of(TABLES))) and block(render(TABLES)) == block(render(TABLES, CITED))
    for page in ("", render(TABLES).replace('id="data"', ""), render(TABLES) * 2):
        with pytest.raises(BenchError, match="blocks of data"):
            block(page)


def test_one_file_that_asks_for_nothing():
    page = render(TABLES, CITED)
    assert not re.search(r'(src|href)="(?!records|README\.md|index\.json|#main|data:,)', page) and "http-equiv" in page
    assert "@import" not in page and "url(" not in page and len(page) < 120_000


def test_the_policy_lets_in_this_script_and_style_alone():
    page = render(TABLES)
    (script,), (style,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL), re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = re.search(r'content="(default-src[^"]*)"', page)[1].replace("&#39;", "'")
    for text, rule in ((script, "script-src"), (style, "style-src")):
        assert f"{rule} 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert "default-src 'none'" in policy and "trusted-types 'none'" in policy and "unsafe" not in policy


def test_own_scripts_use_no_sink_for_html_and_are_all_there():
    assert {p.stem for p in HERE.glob("*.js")} == set(SCRIPTS)
    for name in SCRIPTS:
        text = (HERE / f"{name}.js").read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|https?://(?!www\.w3\.org/2000/svg)|</",
                             text), name


def test_what_plugins_say_is_no_part_of_the_data():
    said = papers_of(TABLES, CITED, data_of(TABLES))
    assert list(said["methods"]) == ["l1-norm"] and said["methods"]["l1-norm"]["bibtex"].startswith("@inproceedings{l1-norm,")
    (compared,) = said["compared"]
    assert compared["agrees"] == "not measured" and compared["paper"] == (93.0, None)


def test_tags_cannot_begin_in_data_or_citations():
    evil = "</script><script>alert(1)</script><!--"
    page = render(tables([record(method=evil, model=evil, dataset=evil)]), {evil: Cited(evil,
                                                                                        ({"dataset": evil, "model": evil, "target": evil,
                                                                                          "finetune": 1.0, "source": evil},))})
    assert page.count("</script>") == 3 and page.count("<script") == 3 and "<!--" not in page
    assert json.loads(block(page))["tables"][0]["dataset"] == evil
