from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import benchbase.training
from benchbase.errors import BenchError
from benchbase.training.data import load
from benchbase.training.dataset import Dataset

NOWHERE = Path("nowhere")


def test_batches_give_every_image_once_and_no_batch_of_one(tiny, Tiny):
    images, labels = Tiny().load(NOWHERE, "train")
    for size, sizes in ((32, [32, 32, 32, 33]), (64, [64, 65]), (50, [50, 50, 29]), (128, [129]), (500, [129]), (1, [1] * 129)):
        batches = list(tiny.batches("train", size, seed=5))
        assert [len(y) for _, y in batches] == sizes
        assert sorted(torch.cat([y for _, y in batches]).tolist()) == sorted(labels.tolist())
    x, y = next(tiny.batches("train", 129))
    assert torch.equal(y, labels) and x.dtype == torch.float32
    channel = images.double().numpy().transpose(1, 0, 2, 3).reshape(2, -1)
    want = (images.double().numpy() - channel.mean(1)[:, None, None]) / channel.std(1)[:, None, None]
    np.testing.assert_allclose(x.numpy(), want, atol=1e-5)


def test_order_and_augmentation_have_their_own_seeds(tiny):
    def first(**seeds):
        return next(tiny.batches("train", 64, **seeds))

    plain, again, other = first(seed=1), first(seed=1), first(seed=2)
    assert torch.equal(plain[0], again[0]) and not torch.equal(plain[1], other[1])
    one, two = first(seed=1, augment=True, augment_seed=3), first(seed=1, augment=True, augment_seed=4)
    assert torch.equal(one[1], two[1]) and torch.equal(one[1], plain[1]) and not torch.equal(one[0], two[0])


def test_stored_images_are_never_written(tiny):
    before = next(tiny.batches("train", 129))[0].clone()
    for x, _ in tiny.batches("train", 40):
        x.zero_()
    assert torch.equal(next(tiny.batches("train", 129))[0], before)


def test_a_stream_gives_what_memory_gives(tiny, streamed):
    assert streamed.fingerprint == tiny.fingerprint and streamed.mean == tiny.mean and streamed.std == tiny.std
    for (a, b), (c, d) in zip(tiny.batches("train", 32), streamed.batches("train", 32), strict=True):
        assert torch.equal(a, c) and torch.equal(b, d)
    batches = list(streamed.batches("train", 32, seed=1, augment=True))
    assert [len(y) for _, y in batches] == [32, 32, 32, 33]
    assert torch.equal(batches[0][0], next(streamed.batches("train", 32, seed=1, augment=True))[0])
    assert [len(y) for _, y in streamed.calibration(40, seed=0, batch_size=32)] == [32, 8]


def test_calibration_is_a_fixed_part_of_the_train_split(tiny):
    chosen = tiny.calibration(100, seed=7)
    assert [len(y) for _, y in chosen] == [64, 36]
    everything = {x.numpy().tobytes() for x in next(tiny.batches("train", 129))[0]}
    assert all(x.numpy().tobytes() in everything for batch, _ in chosen for x in batch)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(chosen, tiny.calibration(100, seed=7), strict=True))
    assert [len(y) for _, y in tiny.calibration(65, seed=7)] == [65]
    assert sum(len(y) for _, y in tiny.calibration(10_000, seed=7)) == 129


def test_the_test_split_is_withheld(tiny):
    for split in ("test", "val", ""):
        with pytest.raises(BenchError, match="train split"):
            next(tiny.batches(split, 32))


def test_only_evaluation_reads_the_test_split():
    """Gate 10: nothing else in the package calls the door's name."""
    callers = set()
    for file in Path(benchbase.training.__file__).parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "_held_out":
                callers.add(file.name)
    assert callers == {"evaluation.py"}


def test_the_fingerprint_follows_content_only(Tiny, tiny):
    @dataclass(frozen=True)
    class Renamed(Tiny):
        name = "another-name"

    @dataclass(frozen=True)
    class Still(Tiny):
        flip = False

    @dataclass(frozen=True)
    class Scaled(Tiny):
        mean = (0.5, 0.5)

    @dataclass(frozen=True)
    class Swapped(Tiny):
        def load(self, root, split):
            images, labels = super().load(root, split)
            if split == "test":
                labels = labels.flip(0)
            return images, labels

    @dataclass(frozen=True)
    class Brighter(Tiny):
        def augment(self, images, generator):
            return super().augment(images, generator) + 1

    assert load(Renamed(), NOWHERE).fingerprint == tiny.fingerprint == load(Tiny(), Path("elsewhere")).fingerprint
    others = [Tiny(), Still(), Scaled(), Swapped(), Brighter(), Tiny(train=128)]
    prints = [load(other, NOWHERE).fingerprint for other in others]
    assert len(set(prints)) == 6


def test_a_channel_that_never_varies_becomes_zero():
    class Flat(Dataset):
        name, num_classes, shape = "flat", 2, (2, 4, 4)

        def load(self, root, split):
            images = torch.full((10, 2, 4, 4), 7.25)
            images[:, 1] = torch.arange(10.0).view(-1, 1, 1)
            return images, torch.arange(10) % 2

    x, _ = next(load(Flat(), NOWHERE).batches("train", 10))
    assert (x[:, 0] == 0).all() and x[:, 1].std(correction=0) == pytest.approx(1, abs=1e-5)


def wrong(**changed):
    """A data set of which one thing is not as promised."""
    class Wrong(Dataset):
        name, num_classes, shape = "wrong", 3, (1, 4, 4)

        def load(self, root, split):
            given = {"images": torch.zeros(6, 1, 4, 4), "labels": torch.arange(6) % 3} | changed
            return given["images"], given["labels"]

    return Wrong()


@pytest.mark.parametrize(("changed", "says"), [
    ({"images": np.zeros((6, 1, 4, 4))}, "ndarray"),
    ({"images": torch.zeros(6, 4, 4)}, r"shape \(6, 4, 4\)"),
    ({"images": torch.zeros(6, 3, 4, 4)}, r"\(n, 1, 4, 4\)"),
    ({"images": torch.zeros(6, 1, 4, 4, dtype=torch.int64)}, "neither uint8 nor float"),
    ({"images": torch.full((6, 1, 4, 4), torch.nan)}, "nan"),
    ({"labels": torch.arange(5) % 3}, r"\(5,\)"),
    ({"labels": torch.arange(6) % 3 * 1.0}, "float32 labels"),
    ({"labels": torch.arange(6) % 4}, "from 0 to 3 with 3 classes"),
    ({"labels": torch.arange(6) % 3 - 1}, "from -1"),
    ({"images": torch.zeros(0, 1, 4, 4), "labels": torch.zeros(0, dtype=torch.int64)}, "no images"),
])
def test_what_is_not_as_promised_is_named(changed, says):
    with pytest.raises(BenchError, match=says):
        load(wrong(**changed), NOWHERE)


def test_wrong_normalisation_and_augmentation_are_named(Tiny):
    class Grey(Tiny):
        mean = (0.5,)

    class Zero(Tiny):
        std = (1.0, 0.0)

    class Cut(Tiny):
        def augment(self, images, generator):
            return images[:, :, 1:]

    for kind, says in ((Grey, "mean"), (Zero, "std"), (Cut, "augment made")):
        with pytest.raises(BenchError, match=says):
            load(kind(), NOWHERE)
