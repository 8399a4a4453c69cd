from __future__ import annotations

import html
import random
import re

import pytest
from factory import failure, judged, record, sha, sweep
from markdown_it import MarkdownIt
from points import at, masked

from benchbase.board import markdown, words
from benchbase.board.curve import POINTS
from benchbase.board.markdown import md
from benchbase.board.table import tables
from benchbase.values.budget import Budget

EVIL = ["a|b", "`code`", "``", "*bold*", "_it_", "vgg16_bn", "<script>alert(1)</script>", "&lt;b&gt;", "[x](http://evil.example)", "![i](x)",
        "a\nb\n\n# head", "~~s~~", "\\|", "\\", "http://evil.example", "www.evil.example", "@someone", "$x$", "#1", "\x1b[31mred", "\u202eabc",
        "| --- |", "x" * 3000, "^^", "[^1]"]


def shown(source, tag):
    """The texts that a renderer shows in all elements of a tag."""
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(source)
    return [html.unescape(re.sub(r"<(?:sub|sup|br|/sub|/sup)\s*/?>", " ", cell)) for cell in re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", page, re.S)]


@pytest.mark.parametrize("text", EVIL)
def test_text_is_shown_as_it_is(text):
    cells = shown(f"| {md(text)} | next |\n|---|---|\n| {md(text)} | next |", "td")
    assert cells[1] == "next" and cells[0].replace("\u200b", "") == words.plain(text)
    assert shown(f"- {md(text)}", "li") == [cells[0]]


def test_hostile_names_stay_in_their_cells():
    plain = markdown.render(tables(sweep({"finetune": [850, 851]}, method="mine", params={"note": "x"}, budget=Budget(macs=0.7, name="y"))))
    for text in EVIL:
        name = words.plain(text, 150)
        records = sweep({"finetune": [850, 851]}, method=name, model=name, dataset=name, params={"note": text}, budget=Budget(macs=0.7, name=text))
        page = markdown.render(tables(records, [failure(method=name, model=name, dataset=name, protocol="", seed=2, params={"note": text},
                                                        budget=Budget(macs=0.7, name=text)).model_copy(update={"message": text})]))
        rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
        assert "<script" not in rendered and "<img" not in rendered and "\x1b" not in page and "\u202e" not in page
        assert all(link.startswith(("records", "#")) for link in re.findall(r'href="([^"]*)"', rendered))
        assert rendered.count("<td") == MarkdownIt("commonmark", {"html": True}).enable("table").render(plain).count("<td")


def test_every_number_of_a_row_is_there():
    records = [*judged(20), *sweep({"one-shot": [449] * 5, "finetune": [840, 841, 842, 843, 844]})]
    page = markdown.render(tables(records))
    for text in ("**weights matter**", "+2.23 [+2.23, +2.23]", "n 5, 8 ep", "70.0k / 140k (2.00×)", "500k / 2.00M (4.00×)",
                 "50.0 % of channels", "50.00 ± 0.00", f"{842 / 8.98:.2f} ± {100 * 2.5 ** 0.5 / 898:.2f}", "one-shot, BN recomputed",
                 words.CONVENTION, words.SMOKE):
        assert text in page, text
    assert words.SMOKE not in markdown.render(tables(judged(0, dataset="cifar10", n=1000)))


def test_ledger_sums():
    rows = [line for line in markdown.render(tables(judged(0))).splitlines() if line.startswith(("| pretrain", "| retrain", "| all"))]
    assert rows == ["| pretrain | 5 | 150 | 135k | 500G | 12.5 s |", "| retrain | 15 | 1450 | 108k | 650G | 7.5 s |",
                    "| all | 25 | 1600 | 243k | 1.15T | 20.5 s |"]


def test_flags_and_letters_are_footnotes():
    shared = sha("run")
    records = [record(method=m, protocol="scratch-e", final=shared, budget=Budget(ratio=0.6)) for m in ("l1-norm", "thinet")]
    page = markdown.render(tables([*records, record(method="mine", method__distribution=None, method__distribution_version=None)]))
    assert "| [l1-norm](records/digits/vgg-digits/l1-norm) <sup>2</sup> | 0.6 | **50.0 % of channels**, asked 60 % |" in page
    assert "- <sup>2</sup> asked to remove 60.0% of channels, removed 50.0%" in page
    assert "- <sup>a</sup> the same runs in l1-norm 0.6, thinet 0.6" in page
    assert page.count("<sup>a</sup>") == 3 and "mine](records/digits/vgg-digits/mine) †" in page


def test_failed_cells_show_in_their_row():
    page = markdown.render(tables(sweep({"finetune": [850]}), [failure(protocol="scratch-b"), failure("not_applicable", method="sss", protocol="")]))
    assert "–<br><sub>1 failed</sub>" in page and "1 seed diverged in scratch-b" in page and "not applicable: the loss is not finite" in page


def test_kinds_stand_in_tables_of_their_own():
    masks = {"architecture__masks": sha("m"), "architecture__shapes": {}, "architecture__widths": {}, "kept": {}}
    page = markdown.render(tables([record(), record(method="magnitude", **masks)]))
    channels, weights = page.index("### Channels and blocks"), page.index("### Single weights")
    assert channels < page.index("| [l1-norm]") < weights < page.index("| [magnitude]") and "nonzero" in page[weights:]
    assert "### " not in markdown.render(tables([record()]))


def test_top5_where_there_are_a_hundred_classes_and_plugins_metrics():
    hundred = {"metrics__top5": 99.5, "architecture__num_classes": 100}
    assert "| top5: method | budget | finetune |" in markdown.render(tables([record(**hundred)]))
    assert "top5: method" not in markdown.render(tables([record()]))
    assert "| robust\\|ness: method |" in markdown.render(tables([record(metrics__extra={"robust|ness": 0.5})]))


def test_glance_links_to_every_table():
    page = markdown.render(tables([*judged(20), record(dataset="cifar10-jpeg", model="torchvision:resnet18")]))
    assert "| [digits · vgg-digits](#digits--vgg-digits) | 1 | **1** |  |  |  |  |  |" in page
    assert "(#cifar10-jpeg--torchvisionresnet18) | 1 |  |  |  |  |  | 1 |" in page
    assert "There are no records yet" in markdown.render([])


def test_the_same_bytes_in_any_order():
    records = [*judged(3), *judged(2, method="thinet", params={"images": 64}), record(dataset="cifar10"),
               record(method="thinet", params={"images": 256})]
    one = markdown.render(tables(records))
    assert one == markdown.render(tables(random.Random(0).sample(records, len(records)))) and one.endswith("\n") and "\r" not in one


def test_ranks_areas_and_second_intervals_where_they_are_due():
    page = markdown.render(tables([r for m in ("a", "b") for i, factor in enumerate(POINTS) for r in at(factor, 880 - 20 * i, method=m)]))
    assert page.count("1–2 of 2") == 10 and "| a | finetune | 2× | 32× | 5 | 93.65 ± 0.11 |" in page
    page = markdown.render(tables([*at(4), *at(2), *masked(4)]))
    assert "rank by accuracy" not in page and "mean accuracy over the curve" not in page  # alone at each point, of two points
    page = markdown.render(tables(judged(20)))
    assert "scratch-matched (± 0.5) |" in page and "n 5; with the test sample [+1." in page
    page = markdown.render(tables(sweep({"finetune": [850, 851, 853], "scratch-b": [850, 853, 851]})))
    assert "<sub>0.00 [" in page and "(± 0.5)" not in page  # the paper's own gap stands in small
