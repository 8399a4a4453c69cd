"""What lies in a store: told rightly, removed only where nothing needs it, and never under the hands of a running process."""
from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbase.errors import BenchError
from benchbase.flow.do import Do, Stage, needs
from benchbase.flow.inventory import busy, faults, inventory, remove, rubbish, set_aside, unpublished
from benchbase.flow.stages import MaskFile
from benchbase.flow.store import Done, Store, write_stage
from benchbase.nets.weights import digest_of, write_weights
from benchbase.values.record import record_of, to_text


@dataclass(frozen=True)
class Tools:
    course: Any = None


def key(letter: str) -> str:
    return letter * 64


def put(store: Store, letter: str, *parents: str, kind: str = "train", weights: int | None = 3) -> Done:
    with store.writing(key(letter)) as folder:
        tensors = {"w": torch.arange(float(weights or 0)) + ord(letter)}
        if weights:
            write_weights(folder / "weights.safetensors", tensors)
        write_stage(folder, Done(key(letter), kind, digest_of(tensors), {}, folder, 1.5, ""), [key(p) for p in parents])
    return store.get(key(letter))


@pytest.fixture
def store(tmp_path) -> Store:
    """a: a base.  b: pruned from a.  c: fine-tuned from b.  d: a measure of c.  e, f: a base and its pruned one that no record has."""
    store = Store(tmp_path / "store")
    for letter, parents, kind, weights in [("a", "", "train", 50), ("b", "a", "prune", 30), ("c", "b", "train", 20), ("d", "c", "measure", None),
                                           ("e", "", "train", 40), ("f", "e", "prune", 10), ("0", "f", "measure", None)]:
        put(store, letter, *parents, kind=kind, weights=weights)
    return store


@pytest.fixture
def board(store, tmp_path):
    spec = importlib.util.spec_from_file_location("inventory_factory", Path(__file__).parents[1] / "board" / "factory.py")
    factory = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(factory)
    data = json.loads(to_text(factory.record()))
    data["digests"] |= {"plain": "9" * 64, "base": "8" * 64, "pruned": "7" * 64, "final": store.get(key("c")).digest}
    folder = tmp_path / "board" / "v1" / "records"
    folder.mkdir(parents=True)
    (folder / "r.json").write_text(to_text(record_of(data)))
    return tmp_path / "board"


def letters(items) -> str:
    return "".join(sorted(k.key[0] for k in items))


def test_what_there_is_and_what_refers_to_what(store, board):
    items = {k.key[0]: k for k in inventory(store, [board])}
    assert letters(items.values()) == "0abcdef" and {k.state for k in items.values()} == {"done"}
    assert {n: (k.kind, k.wanted, k.records) for n, k in items.items()} == {
        "a": ("train", 1, 0), "b": ("prune", 1, 0), "c": ("train", 1, 1), "d": ("measure", 0, 0), "e": ("train", 1, 0), "f": ("prune", 1, 0),
        "0": ("measure", 0, 0)}
    for item in items.values():
        assert item.size == sum(p.stat().st_size for p in item.folder.rglob("*") if p.is_file()) and item.seconds == 1.5
    sizes = [k.size for k in inventory(store)]
    assert sizes == sorted(sizes, reverse=True) and inventory(Store(store.root / "nowhere")) == []


def test_a_stage_tells_what_it_was_made_from(tmp_path):
    def fill(tools, folder, **inputs):
        (folder / "x").write_text("x")
        return "ab" * 32, {}

    do = Do(Store(tmp_path), Tools())
    one = do(Stage("train", 1, fill), seed=0)
    two = do(Stage("prune", 1, fill), weights=one, masks=MaskFile(one.folder / "masks.safetensors", "d"), seed=1)
    items = {k.key: k for k in inventory(do.store)}
    assert items[two.key].needs == (one.key,) and items[one.key].needs == () and items[one.key].wanted == 1
    assert needs({"weights": two, "start": None, "seed": 3}) == [two.key]


def test_nothing_that_a_record_stands_on_goes(store, board):
    """c has a record: its bases a and b stay, and so does its measure; e, f and what was measured of f go."""
    items = inventory(store, [board])
    assert letters(unpublished(items)) == "0ef" and rubbish(items) == []
    gone, held = remove(store, unpublished(items))
    assert letters(gone) == "0ef" and held == [] and letters(inventory(store, [board])) == "abcd"
    assert all(store.get(key(n)) for n in "abcd") and store.get(key("e")) is None


def test_without_records_all_may_go_and_what_does_not_tell_stays(store):
    assert letters(unpublished(inventory(store))) == "0abcdef"
    path = store.folder(key("b")) / "stage.json"
    data = json.loads(path.read_text())
    del data["needs"]
    path.write_text(json.dumps(data))
    assert letters(unpublished(inventory(store))) == "0acdef"


def test_what_no_run_reads(store):
    (store.folder(key("a")) / "weights.safetensors").write_bytes(b"torn")
    (store.root / "aa" / f".{key('a')}-0123456789ab").mkdir()
    for name in (key("b"), key("9"), f"{key('9')}.aside"):
        (store.root / "checkpoints" / name).mkdir(parents=True)
    (store.root / "aside" / f"{key('e')}-01").mkdir(parents=True)
    store.fail(key("8"), {"kind": "diverged", "what": "x"})
    (store.root / "mine").mkdir()
    (store.root / "aa" / "notes").mkdir()
    (store.root / "cc" / key("c").replace("c", "d")).mkdir()
    states = sorted((k.key[0], k.state) for k in inventory(store) if k.state != "done")
    assert states == [("8", "failed"), ("9", "checkpoint"), ("9", "set aside"), ("a", "damaged"), ("a", "left over"), ("b", "checkpoint"), ("e", "set aside")]
    gone, held = remove(store, rubbish(inventory(store)))
    assert sorted((k.key[0], k.state) for k in gone) == [("9", "set aside"), ("a", "damaged"), ("a", "left over"), ("b", "checkpoint"), ("e", "set aside")]
    left = {str(p.relative_to(store.root)) for p in store.root.glob("*/*") if "locks" not in str(p)}
    assert {"aa/notes", f"checkpoints/{key('9')}", f"88/{key('8')}"} <= left and (store.root / "mine").is_dir()
    assert not [p for p in left if "/." in p] and f"aa/{key('a')}" not in left and held == []


def test_a_link_is_neither_followed_nor_removed(store, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x").write_text("x")
    (store.root / "99").mkdir()
    (store.root / "99" / key("9")).symlink_to(tmp_path / "precious")
    (store.root / "77").symlink_to(tmp_path / "precious")
    assert letters(inventory(store)) == "0abcdef"
    remove(store, unpublished(inventory(store)))
    assert (tmp_path / "precious" / "x").exists()


def test_what_a_process_holds_stays(store):
    items = inventory(store)
    assert not busy(store)
    with store.lock(key("a")):
        assert busy(store)
        gone, held = remove(store, [k for k in items if k.key[0] in "ae"])
        assert letters(gone) == "e" and letters(held) == "a" and store.get(key("a"))
        moved, held = set_aside(store, [k for k in items if k.key[0] == "a"])
        assert moved == [] and letters(held) == "a"
    assert not busy(store) and letters(remove(store, [k for k in items if k.key[0] == "a"])[0]) == "a"


def test_damage_is_found_and_set_aside(store):
    """A bit of a weight, a length, a stage.json: each is found; a healthy stage is not. What was moved is made again by the next run."""
    path = store.folder(key("a")) / "weights.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    os.truncate(store.folder(key("b")) / "weights.safetensors", 20)
    (store.folder(key("d")) / "stage.json").write_text("{")
    path = store.folder(key("e")) / "weights.safetensors"
    path.write_bytes(b"x" * path.stat().st_size)
    found = {k.key[0]: why for k, why in faults(store, inventory(store))}
    assert sorted(found) == ["a", "b", "d", "e"] and "not what was written" in found["a"] and "safetensors" in found["e"] and str(store.root) not in found["e"]
    moved, _ = set_aside(store, [k for k, _ in faults(store, inventory(store))])
    assert letters(moved) == "abde" and store.get(key("a")) is None
    again = inventory(store)
    assert letters(k for k in again if k.state == "set aside") == "abde" and list(faults(store, again)) == []
    put(store, "a", weights=50)
    assert store.get(key("a")) is not None


def test_a_store_that_is_none(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BenchError, match="cannot read the store"):
        inventory(Store(tmp_path / "file"))
    with pytest.raises(BenchError, match="nowhere"):
        inventory(Store(tmp_path), [Path("nowhere")])
