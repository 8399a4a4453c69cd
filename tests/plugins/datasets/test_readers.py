"""Processes that decode: kept, replaced, and gone with who started them."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchbase.errors import BenchError
from benchbase_plugins.datasets import _decode
from benchbase_plugins.datasets._readers import Readers, default_count, readers


@pytest.fixture
def file(tmp_path) -> str:
    (tmp_path / "n01").mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(tmp_path / "n01" / "a.jpg")
    return str(tmp_path / "n01" / "a.jpg")


@pytest.fixture
def pool():
    made = Readers(2)
    yield made
    made.end()


def processes(pool: Readers) -> set[int]:
    return {reader._process.pid for reader in pool._idle.queue}


def test_images_come_in_the_order_asked_for(pool, file):
    draws = [None if i % 3 else [[i / 20, 0.5, 0.5, 0.5]] for i in range(19)]
    images = pool.begin([file] * 19, draws).wait()
    assert [image.numpy().tobytes() for image in images] == [_decode.decode(file, drawn) for drawn in draws]


def test_the_same_processes_serve_all_epochs(pool, file):
    pool.begin([file] * 40, [None] * 40).wait()
    first = processes(pool)
    for _ in range(5):
        pool.begin([file] * 40, [None] * 40).wait()
    assert 1 <= len(processes(pool)) <= 2 and first <= processes(pool)


def test_after_a_damaged_file_the_others_are_still_themselves(pool, file):
    bad = Path(file).with_name("bad.jpg")
    bad.write_bytes(b"no image")
    with pytest.raises(BenchError, match="cannot read n01/bad.jpg: UnidentifiedImageError") as caught:
        pool.begin([file, str(bad), file, str(bad)], [None] * 4).wait()
    assert caught.value.todo
    assert {image.numpy().tobytes() for image in pool.begin([file] * 8, [None] * 8).wait()} == {_decode.decode(file, None)}


def test_one_that_dies_is_named_and_replaced(pool, file):
    pool.begin([file] * 8, [None] * 8).wait()
    for pid in processes(pool):
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    with pytest.raises(BenchError, match="a process that decodes images ended") as caught:
        for _ in range(3):
            pool.begin([file] * 8, [None] * 8).wait()
    assert caught.value.kind == "infra_error"
    for _ in range(2):
        try:
            pool.begin([file] * 8, [None] * 8).wait()
        except BenchError:  # the other of two
            continue
    assert len(pool.begin([file] * 8, [None] * 8).wait()) == 8


def test_what_is_dropped_does_not_begin(pool, file):
    batch = pool.begin([file] * 4000, [None] * 4000)
    started = time.perf_counter()
    batch.drop()
    pool.begin([file], [None]).wait()
    assert time.perf_counter() - started < 3  # all would take ten seconds


@pytest.mark.parametrize("how", ["return", "os.kill(os.getpid(), 9)"])
def test_none_outlives_who_started_it(file, how):
    code = (f"import os\nfrom benchbase_plugins.datasets._readers import Readers\ndef main():\n pool = Readers(2)\n pool.begin([{file!r}] * 40, [None] * 40).wait()\n"
            f" print(*(r._process.pid for r in pool._idle.queue), flush=True)\n {how}\nmain()")  # no guard of __main__: it is never run again
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    pids = [int(pid) for pid in said.stdout.split()]
    assert pids and not said.stderr
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3] for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_reader_has_no_torch_and_no_numpy(file):
    code = (f"import sys; from runpy import run_path; run_path({_decode.__file__!r})['decode']({file!r}, None)\n"
            "print({'torch', 'numpy', 'benchbase'} & set(sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_one_pool_a_process():
    assert readers(1, os.getpid()) is readers(1, os.getpid()) and 1 <= default_count() <= 8
