"""ImageNet's reading on folders of a few made-up photographs."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbase.errors import BenchError
from benchbase.training.data import load
from benchbase_plugins.datasets.imagenet import ImageNet, centre, crop


class Two(ImageNet):
    num_classes = 2


@pytest.fixture
def root(tmp_path) -> Path:
    for split, each in (("train", 3), ("val", 2)):
        for label, name in enumerate(("n01", "n02")):
            folder = tmp_path / "imagenet" / split / name
            folder.mkdir(parents=True)
            for i in range(each):
                pixels = np.full((300, 400, 3), 100 * label + 10 * i, dtype=np.uint8)
                pixels[:, :50] = 255  # outside of the centre
                Image.fromarray(pixels).save(folder / f"{i}.JPEG", quality=95)
    return tmp_path


def test_the_whole_split_in_order_is_centres(root):
    batches = list(Two().stream(root, "train", 4, None))
    assert [len(y) for _, y in batches] == [4, 2] and torch.cat([y for _, y in batches]).tolist() == [0, 0, 0, 1, 1, 1]
    images = torch.cat([x for x, _ in batches])
    assert images.shape == (6, 3, 224, 224) and images.dtype == torch.uint8
    assert [round(v) for v in images.double().mean((1, 2, 3)).tolist()] == pytest.approx([0, 10, 20, 100, 110, 120], abs=1)


def test_training_reads_are_random_crops_of_the_generator(root):
    def read(seed):
        return [torch.cat(parts) for parts in zip(*Two().stream(root, "train", 4, torch.Generator().manual_seed(seed)), strict=True)]

    (one, labels), (same, _), (other, _) = read(2), read(2), read(3)
    assert sorted(labels.tolist()) == [0, 0, 0, 1, 1, 1] and torch.equal(one, same) and not torch.equal(one, other)
    assert any((image > 240).float().mean() > 0.02 for image in torch.cat([one, other]))  # the edge is seen, which no centre has


def test_it_opens_as_a_data_set(root):
    data = load(Two(), root, "cpu")
    assert (data.count("train"), data.count("test")) == (6, 4) and len(data.fingerprint) == 64


def test_boxes_lie_in_the_image_and_have_the_drawn_area():
    assert centre(400, 300) == pytest.approx((200 - 131.25, 150 - 131.25, 200 + 131.25, 150 + 131.25))
    for draw in torch.rand(200, 10, 4, generator=torch.Generator().manual_seed(0)).tolist():
        left, upper, right, lower = crop(400, 300, draw)
        assert 0 <= left < right <= 400 and 0 <= upper < lower <= 300
        assert 0.07 <= (right - left) * (lower - upper) / 120_000 <= 1 and 0.7 < (right - left) / (lower - upper) < 1.4
    assert crop(1000, 10, [[1.0, 0.5, 0.5, 0.5]] * 10) == centre(1000, 10)  # nothing fits


def test_what_is_not_there_is_named(root):
    with pytest.raises(BenchError, match="2 of 1000 class folders"):
        next(ImageNet().stream(root, "train", 4, None))
    with pytest.raises(BenchError, match="imagenet/train in the data folder has 0 of 2"):
        next(Two().stream(root / "none", "train", 4, None))
    (root / "imagenet" / "val" / "n01" / "0.JPEG").write_bytes(b"no image")
    with pytest.raises(BenchError, match="n01/0.JPEG"):
        list(Two().stream(root, "test", 4, None))
