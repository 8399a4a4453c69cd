"""A board of 10,000 records: how long it takes to build it and to open its page, in processor seconds, and that both grow with its size.

`pytest benchmarks/speed/test_board.py` prints the table. Processor time is measured, so that a busy machine tells the same.
"""
from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from growth import grows

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "board"))
from many import fill, many

from benchbase.board.build import build, load
from benchbase.board.page.html import render

SIZES = (2500, 5000, 10_000)


@pytest.fixture(scope="module")
def boards(tmp_path_factory) -> dict[int, Path]:
    records = list(many(max(SIZES)))
    return {size: fill(tmp_path_factory.mktemp("board"), records[:size]) for size in SIZES}


def spent(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def test_reading_building_and_drawing_grow_with_the_records(boards, benchmark):
    benchmark.pedantic(lambda: None)
    grows(benchmark, "read and make tables", {size: spent(lambda: load(folder)) for size, folder in boards.items()})
    grows(benchmark, "build all files", {size: spent(lambda: build(folder)) for size, folder in boards.items()})
    tables = {size: load(folder) for size, folder in boards.items()}
    grows(benchmark, "of it, the page", {size: spent(lambda: render(made)) for size, made in tables.items()})
    benchmark.extra_info["index.html, kB"] = {f"{size:,}": (folder / "v1" / "index.html").stat().st_size // 1000 for size, folder in boards.items()}


def test_the_page_opens_sorts_and_filters(boards, benchmark):
    benchmark.pedantic(lambda: None)
    path = shutil.which("chromium") or pytest.skip("there is no chromium")
    from playwright.sync_api import sync_playwright

    found: dict[str, dict[int, float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        for size, folder in boards.items():
            build(folder)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(120_000)
            session = page.context.new_cdp_session(page)
            session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
            session.send("Performance.enable")

            def used() -> float:
                return next(m["value"] for m in session.send("Performance.getMetrics")["metrics"] if m["name"] == "TaskDuration")

            page.goto((folder / "v1" / "index.html").as_uri())
            page.click("#tab-smoke")
            opened = used()
            page.click("#table [data-sort='macs']")
            ordered = used()
            page.fill("#q", "thinet")
            page.locator("#shown", has_text="of").wait_for()
            for name, value in (("open the page", opened), ("sort the table", ordered - opened), ("search", used() - ordered)):
                found.setdefault(name, {})[size] = value
            assert page.locator("#table tbody tr").count() <= 50 and page.locator(".frow").count() <= 40
            page.close()
        browser.close()
    for name, seconds in found.items():
        grows(benchmark, name, seconds)
    assert found["open the page"][max(SIZES)] < 10
