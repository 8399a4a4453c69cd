"""What test_memory.py runs, each in a process of its own: how far memory rises above what was held before, in bytes, and the bound that is stated."""
from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

SPARE = 24 << 20  # what the interpreter, the allocator and the libraries take besides
IMAGE = 3 * 224 * 224


def memory(field: str) -> int:
    """VmRSS or VmHWM (its peak) of this process, bytes. Unlike getrusage's, that peak is of this program, not of the one that started it."""
    told = Path("/proc/self/status").read_text()
    return int(told.partition(field + ":")[2].split()[0]) << 10


def rise(call: Callable[[], object]) -> int:
    """The peak while `call` runs, above what is held before: never too small, too large where more was held earlier."""
    before = memory("VmRSS")
    call()
    return memory("VmHWM") - before


def stream(root: str, batch: str) -> dict[str, int]:
    """The decoder's batches, read more slowly than they are decoded; and the largest of the processes that decode."""
    import psutil

    made, size = _ten(), int(batch)
    _slowly(made.stream(Path(root), "train", 8, _generator()), 1)
    rose = rise(lambda: _slowly(made.stream(Path(root), "train", size, _generator())))
    readers = max(process.memory_info().rss for process in psutil.Process().children())
    return {"peak": rose, "bound": 4 * size * IMAGE + SPARE, "reader": readers, "reader's bound": 30_000_000}


def batches(root: str, batch: str) -> dict[str, int]:
    """What the training loop reads: mirrored and normalised."""
    from benchbase.training.data import Data
    from benchbase.training.source import Facts, Streamed

    made, size = _ten(), int(batch)
    data = Data(made, Streamed(made, Path(root), "cpu"), Facts({"train": 0, "test": 0}, "", made.mean, made.std, True), "cpu")
    _slowly(data.batches("train", 8, seed=0, augment=True), 1)
    return {"peak": rise(lambda: _slowly(data.batches("train", size, seed=0, augment=True))), "bound": 20 * size * IMAGE + SPARE}


def gram(rows: str, width: str, outputs: str) -> dict[str, int]:
    """ThiNet's matrix and choice on a layer of 3 x 3 kernels."""
    import numpy as np
    import torch

    from benchbase_plugins.methods import _gram

    torch.set_num_threads(1)
    n, c, o = int(rows), int(width), int(outputs)
    patches, weight = torch.randn(n, c, 9), torch.randn(o, c, 3, 3)
    _gram.gram(patches[:4, :8], weight[:8, :8], np.arange(8)[:, None])

    def work():
        g = _gram.gram(patches, weight, np.arange(c)[:, None])
        _gram.scales(g, _gram.choose(g, c // 2))
    return {"peak": rise(work), "bound": 16 * (n + o) * c * 9 + (64 << 20) + 6 * 8 * c * c + SPARE}


def regression(rows: str, width: str, outputs: str) -> dict[str, int]:
    """The LASSO's sums, choice and refit on a layer of 3 x 3 kernels, half of whose channels stay. Samples come in batches of 320, as 32 images give them."""
    import sklearn.linear_model  # noqa: F401 -- before memory is looked at
    import torch

    from benchbase_plugins.methods import _lasso

    torch.set_num_threads(1)
    n, c, o = int(rows), int(width), int(outputs)
    columns, kernels, scale = 9 * c, torch.randn(o, 9 * c), torch.ones(o, dtype=torch.float64)

    def work():
        sums = _lasso.Sums(n, True)
        for at in range(0, n, 320):
            x = torch.randn(min(320, n - at), columns)
            sums.add(x, x @ kernels.T)
        sums.finish()
        kept = _lasso.choose(*sums.contributions(kernels, scale, 9), c // 2)
        sums.refit(kernels, (torch.tensor(kept)[:, None] * 9 + torch.arange(9)).reshape(-1), 0.1)
    sampled = 8 * 3 * n * (columns + o) + 8 * 3 * o * columns + (64 << 20)
    summed = 8 * 3 * columns * (columns + o)
    return {"peak": rise(work), "bound": (sampled if n <= columns else summed) + 320 * 12 * (columns + o) + SPARE}


def store(root: str) -> dict[str, int]:
    """Listing a store, and reading all of its weights again."""
    from benchbase.flow.inventory import DONE, WEIGHTS, faults, inventory
    from benchbase.flow.store import Store
    from benchbase.nets import weights  # noqa: F401 -- before memory is looked at

    found = []

    def work():
        found.extend(inventory(Store(Path(root))))
        assert not list(faults(Store(Path(root)), found))
    rose = rise(work)
    largest = max((item.folder / WEIGHTS).stat().st_size for item in found if (item.folder / WEIGHTS).exists())
    assert all(item.state == DONE for item in found)
    return {"peak": rose, "bound": 4000 * len(found) + 2 * largest + SPARE, "stages": len(found), "largest": largest}


def board(root: str) -> dict[str, int]:
    """Building all of a board's files."""
    from benchbase.board import build

    records = sum(1 for _ in Path(root).rglob("*.json"))
    return {"peak": rise(lambda: build.build(root)), "bound": 40_000 * records + SPARE, "records": records}


def _ten():
    """ImageNet with the generated folder's ten classes; its readers are running."""
    import torch

    from benchbase_plugins.datasets.imagenet import ImageNet

    class Ten(ImageNet):
        num_classes = 10
    torch.set_num_threads(1)
    return Ten(readers=2)


def _generator():
    import torch

    return torch.Generator().manual_seed(0)


def _slowly(batches, count: int = 6) -> None:
    """Read a few batches, holding each until the next is there, as a loop does that has all that is decoded ahead waiting."""
    for i, (images, labels) in enumerate(batches):
        if i == count:
            return
        time.sleep(len(labels) / 100)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
