"""A real browser: Debian's chromium, driven by playwright, with no network."""
from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .boards import demo, failures

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync")


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """One browser for all tests. Skipped where none is installed, but not in CI."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no chromium: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def html() -> str:
    """The page of the demo board, of a real data set and of digits."""
    from benchbase.board.page.html import render
    from benchbase.board.reported import Cited
    from benchbase.board.table import tables

    said = {"dataset": "CIFAR-10", "model": "ResNet-20", "target": "macs=0.5", "finetune": 90.5, "scratch-b": {"mean": 89.0, "std": 0.2},
            "source": "made up"}
    cited = {"thinet": Cited("Luo, Wu, Lin. ThiNet. ICCV 2017, arXiv:1707.06342", (said,)),
             "l1-norm": Cited("Li. Filters. ICLR 2017", ({**said, "model": "VGG-16"},))}
    return render(tables([*demo(), *demo("cifar10"), *demo("digits", "vgg-digits", ("thinet", "random"))], failures()), cited)


@pytest.fixture
def visit(browser, tmp_path) -> Iterator[Callable]:
    """Opens a page in a context of its own: visit(html, width=..., height=..., **context). Afterwards, whatever the page logged, threw or asked
    the network for fails the test; quiet=False lets it log."""
    opened, said = [], []

    def visit(html: str, width: int = 1280, height: int = 900, anchor: str = "", quiet: bool = True, **context):
        path = Path(tmp_path) / f"page-{len(opened)}.html"
        path.write_text(html, encoding="utf-8")
        opened.append(browser.new_context(viewport={"width": width, "height": height}, **context))
        page = opened[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: quiet and said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else said.append(f"request: {request.url}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(path.as_uri() + anchor)
        return page

    yield visit
    for context in opened:
        context.close()
    assert said == []
