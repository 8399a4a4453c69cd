"""Stores on disks that are full, cannot be written, or whose clock runs wrong: clear errors, and nothing lost."""
from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchbase.errors import BenchError
from benchbase.flow.run import run_suite
from benchbase.flow.store import Store
from benchbase.plugin.manager import load_plugins
from benchbase.values.record import load_failures, load_records


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """disk(options): a file system of its own at tmp_path/store, mounted, or mounted again, with these options."""
    (tmp_path / "store").mkdir()

    def mount(options: str) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(tmp_path / "store")], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("only root may mount file systems")
    yield mount
    subprocess.run(["umount", "-q", str(tmp_path / "store")], capture_output=True, check=False)


@contextmanager
def files_below(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes in this block: a full disk for whoever may not mount one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def whole(root: Path) -> bool:
    """Every stage in the store is one, and nothing half-written lies about."""
    store = Store(root)
    return all(store.get(path.parent.name) for path in root.glob("??/*/stage.json")) and not list(root.rglob(".*")) and not list(root.rglob("failed.json"))


def test_files_that_cannot_grow(settings, tiny):
    here, suite = settings(), tiny(protocols=("one-shot",))
    with files_below(200_000), pytest.raises(BenchError, match="cannot write to the store: File too large") as error:
        run_suite(suite, here)
    assert error.value.kind == "usage" and "--store" in error.value.todo and whole(here.store)
    assert run_suite(suite, here).exit_code == 0 and not load_failures(here.leaderboard)


def test_a_disk_that_is_full_and_then_larger_and_then_read_only(settings, tiny, disk):
    here, suite = settings(), tiny(protocols=("one-shot",))
    disk("size=640k")
    with pytest.raises(BenchError, match="cannot write to the store: No space left on device"):
        run_suite(suite, here)
    done = {path.parent.name for path in here.store.glob("??/*/stage.json")}
    assert done and whole(here.store) and not here.leaderboard.exists()
    disk("remount,size=32m")
    seen = []
    assert run_suite(suite, here, observe=seen.append).exit_code == 0 and not done & {event.key for event in seen if not event.cached}
    disk("remount,ro")
    again = run_suite(suite, here)
    assert (again.exit_code, again.trained, len(again.records)) == (0, 0, 1)
    with pytest.raises(BenchError, match="cannot write to the store: Read-only file system"):
        run_suite(tiny(protocols=("one-shot", "finetune")), here)


def test_a_leaderboard_that_is_full_loses_no_record(settings, tiny, disk, tmp_path):
    here, suite = replace(settings(), store=tmp_path / "stages", leaderboard=tmp_path / "store"), tiny()
    disk("size=12k")
    with pytest.raises(BenchError, match="cannot write .*No space left on device"):
        run_suite(suite, here)
    disk("remount,size=1m")
    before = {path: path.read_bytes() for path in here.leaderboard.rglob("*.json")}
    assert run_suite(suite, here).exit_code == 0
    assert len(load_records(here.leaderboard)) == 3 and all(path.read_bytes() == text for path, text in before.items())


def test_a_clock_that_was_set_back(settings, tiny):
    """Files of the future are as good as others; so is a checkpoint."""
    here, suite, seen = settings(), tiny(recipe={"epochs": 6, "batch_size": 32}), []

    def interrupt(running) -> None:
        if running.kind == "train" and running.done > 0.5:
            raise KeyboardInterrupt
    assert run_suite(suite, here, watch=interrupt).stopped
    future(here.store)
    assert run_suite(suite, here, watch=lambda running: seen.append(running.note)).exit_code == 0
    assert any("goes on after epoch" in note for note in seen)
    future(here.store)
    future(here.leaderboard)
    again = run_suite(suite, here)
    assert again.trained == 0 and len(set(again.records)) == 3 == len(list(here.leaderboard.rglob("*.json")))


def future(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (time.time() + 10**9, time.time() + 10**9))


def test_a_folder_that_only_others_may_write(settings, tiny, nobody: Callable[[], AbstractContextManager[None]]):
    """As a plain user: what is there is read, what is missing is a clear error."""
    here, suite = replace(settings(), store=Path("store").absolute(), leaderboard=Path("board").absolute()), tiny(protocols=("one-shot",))
    plugins = load_plugins()  # all that is imported is read by its owner
    run_suite(suite, here, plugins)
    folders = [here.store, *(path for path in here.store.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    with nobody():
        assert run_suite(suite, here, plugins).trained == 0
        with pytest.raises(BenchError, match="cannot write to the store: Permission denied"):
            run_suite(tiny(protocols=("finetune",)), here, plugins)
    for path in folders:
        path.chmod(0o755)
