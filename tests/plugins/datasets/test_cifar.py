"""Against archives of ten random images in the official layout; their MD5 sums are put in place of the published ones."""
from __future__ import annotations

import hashlib
import pickle
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets

from benchbase.errors import BenchError
from benchbase.training.data import load
from benchbase_plugins.datasets.cifar import CIFAR10, CIFAR100


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Ten images a file under tmp_path; the pixels and labels of (train, test), for "CIFAR10" or "CIFAR100"."""
    def make(kind: str):
        reader, key, classes = (datasets.CIFAR10, "labels", 10) if kind == "CIFAR10" else (datasets.CIFAR100, "fine_labels", 100)
        folder, random, sums, truth = tmp_path / reader.base_folder, np.random.default_rng(0), {}, {"train": [], "test": []}
        folder.mkdir()
        for split, files in (("train", reader.train_list), ("test", reader.test_list)):
            for name, _ in files:
                pixels, labels = random.integers(0, 256, (10, 3072), dtype=np.uint8), random.integers(0, classes, 10).tolist()
                sums[name] = write(folder / name, {"data": pixels, key: labels})
                truth[split].append((pixels.reshape(-1, 3, 32, 32), labels))
        names = reader.meta["key"]
        sums[reader.meta["filename"]] = write(folder / reader.meta["filename"], {names: [str(c) for c in range(classes)]})
        monkeypatch.setattr(reader, "train_list", [[n, sums[n]] for n, _ in reader.train_list])
        monkeypatch.setattr(reader, "test_list", [[n, sums[n]] for n, _ in reader.test_list])
        monkeypatch.setattr(reader, "meta", reader.meta | {"md5": sums[reader.meta["filename"]]})
        return truth
    return make


def write(path, content) -> str:
    data = pickle.dumps(content)
    path.write_bytes(data)
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def offline(monkeypatch):
    """Whatever is downloaded fails; how often it was tried."""
    tried = []

    def fail(*_, **__):
        tried.append(1)
        raise URLError("no route to host")

    monkeypatch.setattr(datasets.cifar, "download_and_extract_archive", fail)
    return tried


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_reads_the_official_layout(archive, offline, tmp_path, kind):
    truth = archive(kind.archive)
    for split in ("train", "test"):
        images, labels = kind().load(tmp_path, split)
        assert images.dtype == torch.uint8 and np.array_equal(images.numpy(), np.concatenate([p for p, _ in truth[split]]))
        assert labels.tolist() == [label for _, some in truth[split] for label in some]
    data = load(kind(), tmp_path)
    assert data.mean == (0.4914, 0.4822, 0.4465) and data.std == (0.2023, 0.1994, 0.2010) and not offline
    x, _ = next(data.batches("train", 4))
    assert float(x[1, 2, 3, 4]) == pytest.approx((int(truth["train"][0][0][1, 2, 3, 4]) / 255 - 0.4465) / 0.2010, abs=1e-5)


def test_trained_as_in_the_paper():
    for kind in (CIFAR10, CIFAR100):
        assert (kind.recipe.epochs, kind.recipe.batch_size, kind.recipe.lr, kind.recipe.weight_decay) == (160, 64, 0.1, 1e-4)
        assert (kind.finetune.epochs, kind.finetune.lr, kind.finetune.milestones) == (40, 0.001, ()) and kind.pad == 4 and kind.flip


def test_a_download_that_fails_is_said(offline, tmp_path):
    with pytest.raises(BenchError, match=r"CIFAR10 is missing.*no route to host") as caught:
        CIFAR10().load(tmp_path, "train")
    assert offline and "cifar-10-batches-py" in caught.value.todo


def test_a_damaged_file_is_never_opened(archive, offline, tmp_path):
    """One changed byte: the MD5 sum does not fit, so the pickle in it is not read."""
    archive("CIFAR10")
    file = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(BenchError, match="damaged"):
        CIFAR10().load(tmp_path, "train")
    assert offline
