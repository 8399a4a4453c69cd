"""One photograph as 224 x 224 pixels, whole and at a reduced scale."""
from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbase_plugins.datasets._decode import BYTES, centre, crop, decode, reduction, serve

DRAW = [[1.0, 0.5, 0.5, 0.5]]  # the whole of a square photograph


def photograph(file: Path, width: int, height: int, **options) -> Path:
    """Smooth colours, so that a pixel is known by its neighbours."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    pixels = np.stack([255 * x, 255 * y, 127 + 100 * np.sin(6 * (x + y))], 2)
    Image.fromarray(pixels.astype(np.uint8)).save(file, **options)
    return file


def pixels(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8).reshape(3, 224, 224).astype(float)


def whole(file: Path, box: tuple[float, ...]) -> np.ndarray:
    """All of the file decoded, the box resized."""
    image = Image.open(file).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image).transpose(2, 0, 1).astype(float)


def test_boxes_lie_in_the_image_and_have_the_drawn_area():
    assert centre(400, 300) == pytest.approx((200 - 131.25, 150 - 131.25, 200 + 131.25, 150 + 131.25))
    for draw in torch.rand(200, 10, 4, generator=torch.Generator().manual_seed(0)).tolist():
        left, upper, right, lower = crop(400, 300, draw)
        assert 0 <= left < right <= 400 and 0 <= upper < lower <= 300
        assert 0.07 <= (right - left) * (lower - upper) / 120_000 <= 1 and 0.7 < (right - left) / (lower - upper) < 1.4
    assert crop(1000, 10, [[1.0, 0.5, 0.5, 0.5]] * 10) == centre(1000, 10)  # nothing fits


def test_an_image_is_reduced_no_further_than_224_pixels_of_what_is_cut_out():
    sides = (100, 447, 448, 895, 896, 1791, 1792, 9000)
    assert [reduction((10, 0, 10 + side, 5000)) for side in sides] == [1, 1, 2, 2, 4, 4, 8, 8]
    assert reduction((0, 0, 5000, 300)) == 1


def test_an_ordinary_photograph_is_decoded_whole(tmp_path):
    file = photograph(tmp_path / "a.jpg", 500, 375, quality=95)
    assert (pixels(decode(str(file), None)) == whole(file, centre(500, 375))).all()
    assert (pixels(decode(str(file), [[0.3, 0.4, 0.2, 0.9]])) == whole(file, crop(500, 375, [[0.3, 0.4, 0.2, 0.9]]))).all()


@pytest.mark.parametrize("side", [514, 1030, 2051, 2053])
@pytest.mark.parametrize("draws", [None, DRAW])
def test_a_large_one_at_a_reduced_scale_shows_the_same(tmp_path, side, draws):
    file = photograph(tmp_path / "a.jpg", side, side, quality=95)
    box = crop(side, side, draws) if draws else centre(side, side)
    assert reduction(box) > 1
    assert np.abs(pixels(decode(str(file), draws)) - whole(file, box)).mean() < 0.6
    assert np.abs(pixels(decode(str(file), draws)) - whole(file, box)).max() < 6


def test_that_is_what_saves_the_time(tmp_path, monkeypatch):
    file, sizes = photograph(tmp_path / "a.jpg", 2000, 1500), []
    real = Image.Image.resize
    monkeypatch.setattr(Image.Image, "resize", lambda self, *a, **k: (sizes.append(self.size), real(self, *a, **k))[1])
    decode(str(file), None)
    assert sizes == [(500, 375)]


@pytest.mark.parametrize(("name", "mode"), [("a.png", "RGB"), ("a.jpg", "L"), ("a.jpg", "CMYK"), ("a.png", "RGBA")])
def test_other_kinds_become_rgb(tmp_path, name, mode):
    photograph(tmp_path / "first.png", 1200, 1000)
    Image.open(tmp_path / "first.png").convert(mode).save(tmp_path / name)
    image = pixels(decode(str(tmp_path / name), None))
    assert np.abs(image - whole(tmp_path / name, centre(1200, 1000))).mean() < 1 and image.std() > 20


def test_questions_are_answered_in_order_and_errors_by_name(tmp_path):
    good, bad = photograph(tmp_path / "caf\u00e9.jpg", 300, 300), tmp_path / "bad.jpg"
    bad.write_bytes(good.read_bytes()[:300])
    told = io.BytesIO()
    serve(io.BytesIO(b"".join(json.dumps([str(f), d]).encode() + b"\n" for f, d in ((good, None), (bad, None), (good, DRAW), ("none", None)))), told)
    reply = told.getvalue()
    assert reply[:BYTES + 1] == b"+" + decode(str(good), None)
    assert reply[BYTES + 1:].startswith(b"-OSError\n+") and reply.endswith(decode(str(good), DRAW) + b"-FileNotFoundError\n")
