"""The store: each stage whole or absent, whatever happens to the process that writes it."""
from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from benchbase.errors import BenchError
from benchbase.flow.store import Done, Store, write_stage

KEY, OTHER = "ab" * 32, "ac" * 32


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def put(store: Store, key: str = KEY, text: str = "weights", digest: str = "d1") -> None:
    with store.writing(key) as folder:
        (folder / "weights.safetensors").write_text(text)
        write_stage(folder, Done(key, "train", digest, {"epochs": 3}, folder, 1.23456, "sweep-1"))


def names(store: Store) -> set[str]:
    return {p.name for p in (store.root / KEY[:2]).iterdir()}


def test_what_is_put_is_got(store):
    assert store.get(KEY) is None
    put(store)
    done = store.get(KEY)
    assert done == Done(KEY, "train", "d1", {"epochs": 3}, store.folder(KEY), 1.235, "sweep-1") and done.identity == "d1"
    assert store.folder(KEY) == store.root / "ab" / KEY and (done.folder / "weights.safetensors").read_text() == "weights"
    assert names(store) == {KEY}
    umask = os.umask(0)
    os.umask(umask)
    assert done.folder.stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_nothing(store, error):
    put(store)
    with pytest.raises(error), store.writing(KEY) as folder:
        (folder / "stage.json").write_text("{}")
        raise error
    assert store.get(KEY).digest == "d1" and names(store) == {KEY}


def test_a_new_one_takes_the_place_of_the_old(store):
    put(store)
    put(store, text="others", digest="d2")
    assert store.get(KEY).digest == "d2" and (store.folder(KEY) / "weights.safetensors").read_text() == "others" and names(store) == {KEY}


def damage_truncated(folder: Path) -> None:
    text = (folder / "stage.json").read_bytes()
    (folder / "stage.json").write_bytes(text[:len(text) // 2])


def damage_weights(folder: Path) -> None:
    (folder / "weights.safetensors").write_text("w")


@pytest.mark.parametrize("damage", [
    damage_truncated, damage_weights, lambda f: (f / "weights.safetensors").unlink(), lambda f: (f / "stage.json").unlink(),
    lambda f: (f / "stage.json").write_bytes(b"\xff\xfe"), lambda f: (f / "stage.json").write_text("[]"),
    lambda f: (f / "stage.json").write_text("{}"),
    lambda f: (f / "stage.json").write_text(json.dumps({"kind": "train", "digest": "d", "info": 3, "seconds": 1, "sweep": "", "files": {}})),
    lambda f: (f / "stage.json").write_text(json.dumps({"kind": "train", "digest": "d", "info": {}, "seconds": "x", "sweep": "", "files": {}}))])
def test_a_damaged_stage_is_absent_and_makes_place(store, damage):
    put(store)
    damage(store.folder(KEY))
    assert store.get(KEY) is None
    put(store, digest="d2")
    assert store.get(KEY).digest == "d2" and names(store) == {KEY}


def test_a_failure_is_remembered_until_it_succeeds(store):
    assert store.failure(KEY) is None
    store.fail(KEY, {"kind": "diverged", "what": "nan"})
    assert store.failure(KEY) == {"kind": "diverged", "what": "nan"} and store.get(KEY) is None
    put(store)
    assert store.failure(KEY) is None and store.get(KEY) is not None


def test_nothing_that_json_cannot_hold_is_written(store):
    with pytest.raises(ValueError, match="JSON"), store.writing(KEY) as folder:
        write_stage(folder, Done(KEY, "train", "d", {"loss": float("nan")}, folder, 0.0))
    assert store.get(KEY) is None and names(store) == set()


def test_a_store_that_cannot_be_used_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file")
    for use in (lambda: store.get(KEY), lambda: store.writing(KEY).__enter__(), lambda: store.lock(KEY).__enter__()):
        with pytest.raises(BenchError, match="store") as error:
            use()
        assert "--store" in error.value.todo and error.value.kind == "usage"


def write_and_hang(root: str, ready) -> None:
    store = Store(Path(root))
    with store.lock(KEY), store.writing(KEY) as folder:
        (folder / "weights.safetensors").write_bytes(b"half of them")
        (folder / "stage.json").write_text('{"kind": "train"')
        ready.set()
        time.sleep(60)


def test_a_process_killed_in_mid_write_leaves_no_stage_and_no_lock(store):
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=write_and_hang, args=(str(store.root), ready))
    process.start()
    assert ready.wait(30)
    assert store.get(KEY) is None and len(names(store)) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert store.get(KEY) is None
    with store.lock(KEY):  # it went away with the process
        put(store)
    assert store.get(KEY).digest == "d1" and names(store) == {KEY}  # and what it left was removed


def count_up(root: str, times: int) -> None:
    store = Store(Path(root))
    for _ in range(times):
        with store.lock(KEY):
            number = store.root / "number"
            value = int(number.read_text()) if number.exists() else 0
            time.sleep(0.001)
            number.write_text(str(value + 1))


def test_a_lock_is_held_by_one_process_at_a_time(store):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=count_up, args=(str(store.root), 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert (store.root / "number").read_text() == "60"


def test_other_keys_are_not_waited_for(store):
    with store.lock(KEY), store.lock(OTHER):
        put(store, OTHER)
    assert store.get(OTHER) is not None


@pytest.mark.parametrize("said", [{"files": {"../../../secret": 6}}, {"files": {"/etc/hostname": 1}}, {"files": {"a\0b": 1}}, {"files": {"x" * 300: 1}},
                                  {"files": {"stage.json/x": 1}}, {"files": []}, {"seconds": 10**50}, {"seconds": "x"}, {"info": 3}, {"info": [1]}])
def test_a_stage_that_tells_nonsense_is_none(store, said):
    put(store)
    (store.root.parent / "secret").write_text("secret")
    path = store.folder(KEY) / "stage.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **said}))
    assert store.get(KEY) is None


@pytest.mark.parametrize("text", ["[" * 100_000, '{"kind": NaN}', "null", "3", '{"a":' * 40 + "1" + "}" * 40])
def test_what_is_deep_or_no_object_is_none(store, text):
    put(store)
    for name in ("stage.json", "failed.json"):
        (store.folder(KEY) / name).write_text(text)
    assert store.get(KEY) is None and store.failure(KEY) is None


def test_a_stage_that_is_too_large_is_not_parsed(store):
    put(store)
    os.truncate(store.folder(KEY) / "stage.json", 2**36)
    assert store.get(KEY) is None
