from __future__ import annotations

import sys
import xml.etree.ElementTree as ET

import pytest
from factory import judged, record, sweep

from benchbase.board import charts
from benchbase.board.table import tables
from benchbase.errors import BenchError

RECORDS = [*judged(20, dataset="cifar10"), *sweep({"finetune": [840, 841, 842], "scratch-b": [850, 851, 852]}, method="a<b>&\"</svg>",
                                                  dataset="cifar10")]
SPACE = "{http://www.w3.org/2000/svg}"


def values(specification, name):
    """All data of a specification that have a field of this name."""
    return [value for data in specification["datasets"].values() for value in data if name in value] if "datasets" in specification else \
        [value for value in walk(specification) if name in value]


def walk(node):
    if isinstance(node, dict):
        if isinstance(node.get("values"), list):
            yield from node["values"]
        for item in node.values():
            yield from walk(item)
    elif isinstance(node, list):
        for item in node:
            yield from walk(item)


def test_gaps_intervals_and_the_band_are_in_the_picture():
    specification = charts.specification(tables(RECORDS))
    assert {"low": -0.3, "high": 0.3} in values(specification, "low")
    found = {(v["row"], v["which"]): v for v in values(specification, "which")}
    assert found["l1-norm 0.5", "matched"]["mean"] == pytest.approx(2000 / 898) and found["l1-norm 0.5", "matched"]["says"] == "weights matter"
    assert found["a<b>&\"</svg> 0.5", "paper"]["mean"] == pytest.approx(-1000 / 898)
    assert values(specification, "macs")[0]["top1"] == pytest.approx(100 * (852 + 20) / 898) and values(specification, "dense")


def test_svg_is_svg_whatever_the_names():
    root = ET.fromstring(charts.svg(tables(RECORDS)))
    texts = ["".join(node.itertext()) for node in root.iter(f"{SPACE}text")]
    assert root.tag == f"{SPACE}svg" and "a<b>&\"</svg> 0.5" in texts and "weights matter" in texts
    assert not list(root.iter(f"{SPACE}script")) and not list(root.iter(f"{SPACE}image"))


def test_png_is_png():
    import io

    from PIL import Image

    picture = Image.open(io.BytesIO(charts.png(tables(RECORDS), scale=1.0)))
    assert picture.format == "PNG" and picture.size[0] > 800 and len(picture.convert("RGB").resize((200, 100)).getcolors(20_000)) > 10


def test_nothing_to_draw_and_nothing_to_draw_with(monkeypatch):
    with pytest.raises(BenchError, match="nothing to draw"):
        charts.svg(tables([record(protocol="one-shot")]))
    for name in ("altair", "vl_convert"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(BenchError, match="not installed"):
            charts.svg(tables(RECORDS))
        monkeypatch.undo()
