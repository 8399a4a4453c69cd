"""Reading an ImageNet-sized folder for training, against torchvision's usual loader and against what a network takes.

`pytest benchmarks/speed/test_loader.py -s` prints the figures; it takes six minutes on two idle cores, and 1 GB of disk; with BENCH_SPEED_IMAGES=1000 about one.
Loaders run in turn with one worker a core. "Per core" is images a second of processor time, of this process and its workers together, so that a busy
machine tells nearly the same; images a second of the clock stand beside it.
"""
from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from photographs import photograph
from torch.utils.data import DataLoader

from benchbase.training.data import Data
from benchbase.training.source import Facts, Streamed
from benchbase_plugins.datasets import _decode
from benchbase_plugins.datasets._readers import default_count
from benchbase_plugins.datasets.imagenet import ImageNet

torchvision, psutil = pytest.importorskip("torchvision"), pytest.importorskip("psutil")
ROUNDS, BATCH = 3, 256
WORKERS = default_count()


class Ten(ImageNet):
    num_classes = 10


@dataclass(frozen=True)
class Rate:
    """Images a second: of processor time, and of the clock."""

    core: float
    clock: float


def used() -> float:
    """Processor seconds of this process and its workers so far."""
    me = psutil.Process()
    return sum(sum(process.cpu_times()[:2]) for process in [me, *me.children(recursive=True)])


def rate(batches) -> Rate:
    """Of an epoch that is read and thrown away."""
    started, before, count = time.perf_counter(), used(), 0
    for images, labels in batches:
        assert images.dtype == torch.float32 and images.shape[1:] == (3, 224, 224)
        count += len(labels)
    return Rate(count / (used() - before), count / (time.perf_counter() - started))


def opened(root: Path) -> Data:
    """The folder, without the pass that reads all of it for its fingerprint."""
    dataset = Ten(readers=WORKERS)
    return Data(dataset, Streamed(dataset, root, "cpu"), Facts({"train": 0, "test": 0}, "", dataset.mean, dataset.std, True), "cpu")


def usual(root: Path) -> DataLoader:
    """As torchvision's and PyTorch's own examples read ImageNet."""
    from torchvision import transforms

    steps = [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(), transforms.Normalize(Ten.mean, Ten.std)]
    folder = torchvision.datasets.ImageFolder(root / "imagenet" / "train", transforms.Compose(steps))
    return DataLoader(folder, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_images_a_second_and_core_beside_the_usual_loader(photographs, benchmark):
    data, theirs = opened(photographs), usual(photographs)
    rates: dict[str, list[Rate]] = {"ours": [], "usual": []}
    for turn in range(ROUNDS):
        rates["ours"].append(rate(data.batches("train", BATCH, seed=turn, augment=True)))
        rates["usual"].append(rate(theirs))
    for name, of in rates.items():
        benchmark.extra_info[f"{name}, images/s and core"] = spread([r.core for r in of])
        benchmark.extra_info[f"{name}, images/s, {WORKERS} workers"] = spread([r.clock for r in of])
    ratio = statistics.median(a.core / b.core for a, b in zip(rates["ours"], rates["usual"], strict=True))
    benchmark.extra_info["ours / usual, per core"] = ratio
    print(f"\n{benchmark.extra_info}")
    benchmark.pedantic(lambda: next(data.batches("train", 64, seed=0, augment=True)), rounds=3)
    assert ratio > 1


def test_a_network_never_waits_for_it(photographs, benchmark):
    """resnet18 is among the fastest that are trained on ImageNet. On one core, with one reader, it must not wait for images, and one core must
    decode many times what another one trains on."""
    net, batch = torchvision.models.resnet18(num_classes=10), 32
    optimiser, data = torch.optim.SGD(net.parameters(), 0.01), opened(photographs)
    waiting, training, alone = [], [], []
    batches = data.batches("train", batch, seed=0, augment=True)
    for step in range(9):
        started = time.perf_counter()
        images, labels = next(batches)
        got = time.perf_counter()
        net.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
        if step:  # the first waits for all
            waiting.append(got - started)
            training.append(time.perf_counter() - got)
    batches.close()
    for turn in range(5):
        alone.append(rate(first(data, 8 * batch, turn)).core)
    trained = batch / statistics.median(training)
    benchmark.extra_info |= {"resnet18 trains on, images/s": trained, "one core decodes, images/s": statistics.median(alone),
                             "waiting, part of the time": sum(waiting) / sum(waiting + training)}
    print(f"\n{benchmark.extra_info}")
    benchmark.pedantic(lambda: next(data.batches("train", batch, seed=0, augment=True)), rounds=3)
    assert sum(waiting) < 0.05 * sum(training) and statistics.median(alone) > 5 * trained


def first(data: Data, count: int, seed: int):
    """Batches of the first `count` images, the readers left with nothing to do after them."""
    seen = 0
    for images, labels in data.batches("train", 32, seed=seed, augment=True):
        yield images, labels
        seen += len(labels)
        if seen >= count:
            return


def test_large_photographs_cost_less_at_a_reduced_scale(tmp_path, benchmark, seconds, monkeypatch):
    rng, files = np.random.default_rng(1), []
    for i in range(8):
        files.append(tmp_path / f"{i}.jpg")
        files[-1].write_bytes(photograph(rng, 2000, 1500))

    def centres():
        return [_decode.decode(str(file), None) for file in files]
    reduced = seconds(centres)
    benchmark.pedantic(centres, rounds=3)
    monkeypatch.setattr(_decode, "reduction", lambda box: 1)
    whole = seconds(centres)
    benchmark.extra_info["whole / reduced, 2000 x 1500"] = whole / reduced
    print(f"\n{benchmark.extra_info}")
    assert reduced < whole
