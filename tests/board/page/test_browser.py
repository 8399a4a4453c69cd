"""What a person does with the page, in a real browser. `visit` fails a test for any console message, error or request."""
from __future__ import annotations

import csv
import io
import re

import pytest
from factory import failure, record, sweep
from playwright.sync_api import expect

from benchbase.board.page.html import render
from benchbase.board.table import tables
from benchbase.values.budget import Budget

from .boards import LEFT, METHODS, demo

CELLS = len(METHODS) * len(LEFT)
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)><!--<script>]]>&lt;b&gt;"


def column(page, name):
    at = page.locator("#table thead th").all_inner_texts().index(name)
    return page.locator(f"#table tbody td:nth-child({at + 1})").evaluate_all("cells => cells.map(cell => cell.innerText.split('\\n')[0])")


def number(text):
    found = re.match(r"([−+]?[\d.]+)", text)
    return float(found[1].replace("−", "-")) if found else None


def test_the_first_glance(visit, html):
    page = visit(html)
    sentence = page.locator("h1").inner_text()
    assert re.match(r"At equal compute, inherited weights matter in \d+, .*architecture is enough in \d+, .*of 36 judged cells\.", sentence)
    chips = {chip.get_attribute("data-says"): int(chip.locator("b").inner_text()) for chip in page.locator("#counts button").all()}
    assert f"matter in {chips['weights matter']}," in sentence and sum(chips.values()) == 2 * CELLS + 1
    assert page.locator("#boards .badge.yes").count() == 2 and page.locator(".frow").count() == 36
    assert page.locator("#plots .dense").count() == 2 and page.locator("#plots .random").count() == 2 and page.locator("#plots .uniform").count() == 2
    assert page.locator("#plots .front").count() == 4 and page.locator("#plots .band").count() == 2
    assert page.locator(".frow .in").count() == page.locator(".frow").count() and page.locator(".frow .dot.grey").count() > 30


def test_sorting_by_any_column_and_back(visit, html):
    page = visit(html)
    for name in ("Gap, matched", "MACs", "finetune"):
        button = page.locator("#table thead button", has_text=re.compile(f"^{re.escape(name)}$"))
        button.click()
        head = page.locator("#table thead th[aria-sort]")
        assert head.count() == 1 and head.get_attribute("aria-sort") == "descending"
        scale = {"k": 1e3, "M": 1e6}
        def value(text):
            return number(text) * scale.get(text.lstrip("−+.0123456789")[:1], 1)
        down = [value(t) for t in column(page, name) if number(t) is not None]
        assert down == sorted(down, reverse=True) and len(set(down)) > 2
        button.click()
        assert [value(t) for t in column(page, name) if number(t) is not None] == sorted(down)
    assert column(page, "finetune")[-1] == ""  # a cell without the number stands last


def test_filters_act_on_all_parts(visit, html):
    page = visit(html)
    page.select_option("#f-dataset", "cifar10")
    page.select_option("#f-method", "thinet")
    assert page.locator("#shown").inner_text() == f"3 of {2 * CELLS + 1} cells" and set(column(page, "Method")) == {"thinet"}
    assert page.locator(".frow").count() == 3 and page.locator("#plots figure").count() == 2
    page.click("#reset")
    page.fill("#q", "THINET macs=0.75")
    expect(page.locator("#table tbody tr")).to_have_count(2)
    page.fill("#q", "nothing of the kind")
    expect(page.locator("#table tbody tr")).to_have_count(0)
    assert "No cell fits" in page.locator("#forest").inner_text()
    page.click("#reset")
    page.click("#counts [data-says='scratch is better']")
    assert set(column(page, "Verdict")) == {"scratch is better"} and page.locator("#counts [aria-pressed=true]").count() == 1
    page.click("#counts [data-says='scratch is better']")
    page.click("#boards button >> nth=0")
    assert page.locator("#table tbody tr").count() == CELLS
    page.select_option("#protocol", "scratch-matched")
    assert "Top-1 of scratch-matched" in page.locator("#plots figcaption").first.inner_text()


def test_a_card_tells_everything_and_has_an_address(visit, html):
    page = visit(html)
    page.locator("#table .open", has_text="thinet").first.click()
    card = page.locator("#card")
    text = card.inner_text()
    assert "thinet, macs=0.5" in text and "bench run -m thinet --model resnet20" in text and "--set finetune.weight_decay=" in text
    assert "torch 2.11" in text and "@inproceedings{thinet," in text and "eprint = {1707.06342}" in text and "@misc{benchbase-" in text
    assert "self-reported" in text or "re-scored" in text
    assert card.locator("svg.spark rect.kept").count() == 9 and "pretrain" in text and "retrain" in text
    assert card.locator("a[href^='records/']").get_attribute("href") == "records/cifar10/resnet20/thinet"
    anchor = page.evaluate("location.hash")
    page.keyboard.press("Escape")
    assert not card.evaluate("node => node.open")
    page.wait_for_function("location.hash === ''")  # browsers tell a dialog's end a moment after it
    again = visit(html, anchor=anchor)
    assert again.locator("#card h2").inner_text() == "thinet, macs=0.5"


def test_tooltips_for_the_mouse(visit, html):
    page = visit(html)
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.locator(".frow").first.hover()
    assert "finetune-matched − scratch-matched" in tip.inner_text() and "band: ± 0.3 points" in tip.inner_text()
    mark = page.locator("#plots .mark").last
    mark.hover()
    assert mark.get_attribute("data-method") in tip.inner_text()
    box = tip.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280
    page.mouse.move(5, 300)
    expect(tip).to_be_hidden()


def test_with_the_keyboard_alone(visit, html):
    page = visit(html)
    def focused(js):
        return page.evaluate(f"document.activeElement.{js}")
    page.keyboard.press("Tab")
    assert focused("className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert focused("id") == "tab-smoke" and page.locator("#tab-smoke").get_attribute("aria-selected") == "true"
    assert page.locator("#warning").is_visible()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("/")
    assert focused("id") == "q"
    page.keyboard.type("uniform")
    expect(page.locator("#table tbody tr")).to_have_count(6)
    for _ in range(80):
        page.keyboard.press("Tab")
        if "mark" in str(page.evaluate("document.activeElement.getAttribute('class')")):
            break
    assert "uniform" in page.locator("#tip").inner_text() and page.locator("#tip").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#card").evaluate("node => node.open") and focused("textContent") == "Close"
    page.keyboard.press("Enter")
    assert not page.locator("#card").evaluate("node => node.open")
    page.locator("#table thead button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#table thead th").first.get_attribute("aria-sort") == "ascending" and focused("textContent") == "Method"
    page.keyboard.press("Space")
    assert page.locator("#table thead th").first.get_attribute("aria-sort") == "descending"
    page.locator("#table .open").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert "open" in focused("className")  # back where it was


@pytest.mark.parametrize("width", [320, 390, 800, 1280, 1900])
def test_no_width_scrolls_sideways(visit, html, width):
    page = visit(html, width=width, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#table .open").first.click()
    box = page.locator("#card").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and page.locator("#card header button").is_visible()


def test_on_a_phone_rows_are_cards_that_can_be_sorted(visit, html):
    page = visit(html, width=390, height=844, has_touch=True, is_mobile=True)
    assert page.locator("#table thead").is_hidden() and page.locator("#sort").is_visible()
    row = page.locator("#table tbody tr").first
    assert row.bounding_box()["width"] <= 390
    assert row.locator("td[data-label=Verdict]").evaluate("node => getComputedStyle(node, '::before').content") == '"Verdict"'
    page.select_option("#sort", "-matched")
    gaps = [number(t) for t in page.locator("td[data-label='Gap, matched']").all_inner_texts()]
    assert gaps == sorted(gaps, reverse=True)
    page.locator("#table .open").first.tap()
    assert page.locator("#card").evaluate("node => node.open")


def test_dark_and_light_as_the_system_or_as_told(visit, html):
    def bright(page):
        rgb = re.findall(r"[\d.]+", page.evaluate("getComputedStyle(document.body).backgroundColor"))
        return sum(map(float, rgb[:3])) / 3
    page = visit(html, color_scheme="dark")
    assert bright(page) < 50
    page.click("#theme")
    assert bright(page) > 200 and page.locator("#theme").inner_text() == "Theme: light"
    page.click("#theme")
    assert bright(page) < 50
    assert bright(visit(html, color_scheme="light")) > 200


def contrast(page, selector):
    """The least contrast of text with its background among the elements of a selector (WCAG 2.2, 1.4.3)."""
    return page.evaluate("""selector => {
      const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
      const rgb = colour => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
      };
      const linear = value => value / 255 <= .04045 ? value / 255 / 12.92 : ((value / 255 + .055) / 1.055) ** 2.4;
      const shine = colour => { const [r, g, b] = rgb(colour).map(linear); return .2126 * r + .7152 * g + .0722 * b; };
      const under = node => {
        for (; node; node = node.parentElement) {
          const colour = getComputedStyle(node).backgroundColor;
          if (rgb(colour)[3] > 250) return colour;
        }
        return 'white';
      };
      const each = [...document.querySelectorAll(selector)].map(node => [shine(getComputedStyle(node).color), shine(under(node))]);
      return Math.min(...each.map(([a, b]) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05)));
    }""", selector)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(visit, html, scheme):
    page = visit(html, color_scheme=scheme)
    for selector in ("p", "h1, h2, h3", "td, th", "small", "label", "button", "a", "dt, dd"):
        assert contrast(page, selector) >= (3 if selector == "button" else 3.4), selector
    assert contrast(page, "p, td:not(.grey), dd, .who") >= 4.5


def test_digits_stand_apart(visit, html):
    page = visit(html)
    assert "vgg-digits" not in page.locator("main").inner_text()
    page.click("#tab-smoke")
    assert page.locator("#warning").is_visible() and "digits is a smoke test, not evidence" in page.locator("#warning").inner_text()
    assert page.locator("#table tbody tr").count() == 2 * len(LEFT) and "cifar10" not in page.locator("#boards").inner_text()


def test_a_board_of_digits_alone_opens_on_them(visit):
    page = visit(render(tables(demo("digits", "vgg-digits", ("thinet",)))))
    assert page.locator("#tab-smoke").get_attribute("aria-selected") == "true" and page.locator("#table tbody tr").count() == len(LEFT)


def test_an_empty_board_says_so(visit):
    page = visit(render([]))
    assert page.locator("h1").inner_text() == "There are no records here yet." and page.locator("#table tbody tr").count() == 0


def test_without_verdicts_it_claims_nothing(visit):
    page = visit(render(tables(sweep({"finetune": [850, 851], "scratch-b": [860, 861]}, dataset="cifar10-jpeg"))))
    assert page.locator("h1").inner_text().startswith("No verdict yet on the one cell") and page.locator(".frow .dot.grey").count() == 1


def test_texts_of_strangers_stay_text(visit):
    params, budget = {"a": EVIL, "b": 1}, Budget(macs=0.75, name=EVIL)
    said = {"dataset": "cifar10" + EVIL, "model": EVIL, "method": EVIL, "params": params, "budget": budget, "versions": {EVIL: EVIL},
            "device": {"name": EVIL}}
    records = sweep({"finetune": [850, 851, 852], "scratch-b": [850, 851, 852], EVIL[:150]: [1, 2, 3]}, **said)
    lost = failure(protocol="", seed=7, **said).model_copy(update={"message": EVIL})
    html = render(tables(records, [lost]))
    page = visit(html)
    assert html.count("<script>") == 1 and html.count("</script>") == 3 and "<img" not in html and html.count("<!--") == 0
    page.locator("#table .open").first.click()
    assert page.locator("img, iframe, object, embed").count() == 0 and page.locator("script").count() == 3
    assert "<script>alert(1)</script>" in page.locator("#card").inner_text() and "<script>alert(1)</script>" in page.locator("main").inner_text()


def test_the_policy_stops_what_is_not_ours(visit, html):
    """Even where a tag got in: an injected script, style, image or request does nothing but say so."""
    page = visit(html, quiet=False)
    policy = page.locator("meta[http-equiv]").get_attribute("content")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    refused = page.evaluate("""async () => {
      const found = [];
      document.addEventListener('securitypolicyviolation', event => found.push(event.effectiveDirective));
      const style = document.createElement('style'); style.textContent = 'body { display: none }'; document.body.append(style);
      try { document.body.innerHTML = '<b>x</b>'; } catch { found.push('html'); }
      try { await fetch('https://example.invalid/'); } catch { found.push('fetch'); }
      for (let i = 0; i < 600 && !(found.includes('style-src-elem') && found.includes('connect-src')); i++)
        await new Promise(done => setTimeout(done, 100));
      return found;
    }""")
    assert {"html", "fetch", "style-src-elem", "connect-src"} <= set(refused) and page.locator("main").is_visible()


def test_the_selection_as_csv(visit, html):
    page = visit(html, accept_downloads=True)
    page.select_option("#f-method", "magnitude")
    with page.expect_download() as download:
        page.click("#csv")
    text = open(download.value.path(), encoding="utf-8", newline="").read()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == 6 and {line["method"] for line in lines} == {"magnitude"} and float(lines[0]["gap matched"]) == pytest.approx(0.9, abs=0.3)


def test_a_formula_in_the_csv_is_text(visit):
    records = sweep({"finetune": [850, 851], "scratch-b": [850, 851]}, dataset="cifar10", method="=cmd()", budget=Budget(macs=0.5, name="+1,\"2"))
    page = visit(render(tables(records)), accept_downloads=True)
    with page.expect_download() as download:
        page.click("#csv")
    (line,) = csv.DictReader(io.StringIO(open(download.value.path(), encoding="utf-8", newline="").read()))
    assert line["method"] == "'=cmd()" and line["budget"] == "'+1,\"2"


def test_pages_of_a_long_table(visit):
    records = [record(dataset="cifar10", method=f"m{i:03}", protocol=p, right=800 + i % 90) for i in range(120) for p in ("finetune", "scratch-b")]
    page = visit(render(tables(records)))
    assert page.locator("#table tbody tr").count() == 50 and "page 1 of 3" in page.locator("#pages").inner_text()
    assert page.locator(".frow").count() == 40
    page.click("#pages button >> nth=1")
    page.click("#pages button >> nth=1")
    assert page.locator("#table tbody tr").count() == 20 and page.locator("#pages button >> nth=1").is_disabled()
    page.click(".more")
    assert page.locator(".frow").count() == 120
