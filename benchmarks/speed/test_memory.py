"""Peak memory against what docstrings state, each in a fresh process. `pytest benchmarks/speed/test_memory.py -s` prints figures and bounds."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "board"))
from many import fill, many

from benchbase.flow.store import Done, Store, write_stage
from benchbase.nets.weights import digest_of, write_weights
from benchbase.values.digest import digest

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
STAGES, HEAVY = 5000, 3


@pytest.fixture
def bounded(benchmark):
    """bounded(name, *arguments): run peaks.py; fails where a figure is above its bound."""
    def measure(*words: object) -> None:
        said = subprocess.run([sys.executable, str(Path(__file__).with_name("peaks.py")), *map(str, words)], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        told = json.loads(said.stdout)
        benchmark.extra_info |= {name: f"{value / 1e6:.1f} MB" if value > 1e5 else value for name, value in told.items()}
        print(f"\n{' '.join(map(str, [words[0], *words[2:]]))}: {benchmark.extra_info}")
        assert told["peak"] <= told["bound"] and told.get("reader", 0) <= told.get("reader's bound", 0)
    return lambda *words: benchmark.pedantic(measure, words, rounds=1)


@pytest.mark.parametrize("what", ["stream", "batches"])
@pytest.mark.parametrize("batch", [64, 256])
def test_a_stream_holds_a_few_batches(photographs, bounded, what, batch):
    bounded(what, photographs, batch)


@pytest.mark.parametrize(("rows", "width", "outputs"), [(2560, 512, 512), (10_000, 512, 512), (10_000, 64, 128)])
def test_a_gram_matrix_takes_twice_its_patches(bounded, rows, width, outputs):
    """Layers of vgg16: its last, with 256 and with 1,000 images, and an early one."""
    bounded("gram", rows, width, outputs)


@pytest.mark.parametrize(("rows", "width", "outputs"), [(2560, 512, 512), (10_000, 512, 512), (10_000, 64, 128)])
def test_a_regression_takes_samples_or_second_moments_three_times(bounded, rows, width, outputs):
    bounded("regression", rows, width, outputs)


def test_a_store_of_thousands_of_stages_is_read_one_after_another(tmp_path, bounded):
    store = Store(tmp_path)
    for i in range(STAGES):
        key = digest(i)
        folder = store.folder(key)
        folder.mkdir(parents=True)
        tensors = {"w": torch.full((16 << 20 if i < HEAVY else 64,), float(i))}
        if i % 2 or i < HEAVY:
            write_weights(folder / "weights.safetensors", tensors)
        info = {"top1": 90.0, "history": [{"epoch": e, "loss": 1.0} for e in range(60)]}
        write_stage(folder, Done(key, "train", digest_of(tensors), info, folder, 1.0, ""), [digest(i - 1)] if i else [])
    bounded("store", tmp_path)


def test_a_board_takes_so_much_a_record(tmp_path, bounded):
    bounded("board", fill(tmp_path, many(10_000)))
