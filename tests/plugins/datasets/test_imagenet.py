"""ImageNet's reading on folders of a few made-up photographs."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbase.errors import BenchError
from benchbase.training.data import load
from benchbase.values.digest import to_json
from benchbase_plugins.datasets import _decode
from benchbase_plugins.datasets.imagenet import ImageNet


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


@pytest.mark.parametrize("readers", [2, 3])
def test_any_number_of_readers_gives_the_same_bits_over_epochs(root, readers):
    def epochs(count):
        generator, made = torch.Generator().manual_seed(5), Two(readers=count)
        return [batch for _ in range(2) for batch in made.stream(root, "train", 2, generator)]

    for (one, of_one), (other, of_other) in zip(epochs(1), epochs(readers), strict=True):
        assert torch.equal(one, other) and torch.equal(of_one, of_other)
    assert to_json(Two(readers=1)) == to_json(Two(readers=readers))
    with pytest.raises(BenchError, match="readers=-1"):
        ImageNet(readers=-1)


def test_each_image_is_what_its_draws_make_of_its_file(root):
    generator, again = torch.Generator().manual_seed(8), torch.Generator().manual_seed(8)
    files = sorted((root / "imagenet" / "train").glob("*/*"))
    order = torch.randperm(6, generator=again)
    draws = torch.cat([torch.rand(n, 10, 4, generator=again) for n in (4, 2)]).tolist()
    images = torch.cat([x for x, _ in Two().stream(root, "train", 4, generator)])
    for image, i, drawn in zip(images, order.tolist(), draws, strict=True):
        assert image.numpy().tobytes() == _decode.decode(str(files[i]), drawn)


def test_streams_side_by_side_and_left_early_disturb_nobody(root):
    def read():
        return Two(readers=2).stream(root, "train", 1, torch.Generator().manual_seed(2))

    want = [x for x, _ in read()]
    outer = read()
    got = [next(outer)[0]]
    next(read())
    got += [x for x, _ in outer]
    assert torch.equal(torch.cat(want), torch.cat(got))


def test_it_opens_as_a_data_set(root, monkeypatch):
    data = load(Two(), root, "cpu")
    assert (data.count("train"), data.count("test")) == (6, 4) and len(data.fingerprint) == 64
    assert load(Two(readers=3), root, "cpu").fingerprint == data.fingerprint
    monkeypatch.setattr(Two, "crops", False)  # what a shuffled read cuts out is no part of the fingerprint then
    assert load(Two(), root, "cpu").fingerprint != data.fingerprint


def test_what_is_not_there_is_named(root):
    with pytest.raises(BenchError, match="2 of 1000 class folders"):
        next(ImageNet().stream(root, "train", 4, None))
    with pytest.raises(BenchError, match="imagenet/train in the data folder has 0 of 2"):
        next(Two().stream(root / "none", "train", 4, None))
    (root / "imagenet" / "val" / "n01" / "0.JPEG").write_bytes(b"no image")
    with pytest.raises(BenchError, match="n01/0.JPEG"):
        list(Two().stream(root, "test", 4, None))
