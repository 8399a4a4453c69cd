from __future__ import annotations

import json
import time

import pytest

from benchbase.flow.environment import cpu_name
from benchbase.flow.facts import fact, facts, place_of
from benchbase.flow.plan import plan
from benchbase.flow.run import open_suite, run_suite
from benchbase.training.machine import Machine


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    from benchbase.flow.settings import Settings

    root = tmp_path_factory.mktemp("facts")
    return Settings(root / "store", root / "data", root / "board", device="cpu")


@pytest.fixture(scope="module")
def swept(tiny, place):
    return run_suite(tiny(), place)


def test_stages_tell_where_they_ran_and_what_they_were_about(swept, place):
    found = list(facts(place.store))
    assert {f.kind: f.about for f in found} == {"resolve": ("", "", ""), "train": ("vgg-digits", "synthetic", ""), "prune": ("vgg-digits", "synthetic", "l1-norm"),
                                                "measure": ("vgg-digits", "synthetic", "")}
    assert {f.place for f in found if f.kind != "resolve"} == {("cpu", "fp32", 1, "auto", False, cpu_name())} == {place_of(Machine())}
    assert all(f.seconds > 0 and f.size > 100 for f in found if f.kind != "resolve")


def test_a_training_tells_what_the_plan_foresees(swept, place, tiny):
    """Base, fine-tuning and scratch: images and multiply-adds are those that the plan of the same suite counts from a trace."""
    bench = open_suite(tiny(), place)
    foreseen = {e.key: (e.images, e.work, e.about) for e in plan(bench.cells, bench.machine, bench.do).entries if e.kind == "train"}
    assert {f.key: (f.images, f.macs, f.about) for f in facts(place.store) if f.kind == "train"} == foreseen
    assert len(foreseen) == 3 and all(images == 64 * epochs for (images, *_), epochs in zip(sorted(foreseen.values()), (1, 2, 2), strict=True))


def test_masked_weights_are_computed_too(place, tiny):
    """A masked network's trainings take what the dense one's take."""
    suite = tiny(methods=("magnitude",), protocols=("scratch-e",))
    run_suite(suite, place)
    bench = open_suite(suite, place)
    base, scratch = [e for e in plan(bench.cells, bench.machine, bench.do).entries if e.kind == "train"]
    assert scratch.work == base.work > 1.5 * scratch.macs
    assert {f.key: f.macs for f in facts(place.store)}[scratch.key] == scratch.work


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"[" * 100_000, b'{"kind": "train", "info": {}, "seconds": "x", "files": {}}', b"\xff"])
def test_what_is_no_stage_is_left_out(tmp_path, text):
    folder = tmp_path / "ab" / ("ab" + "0" * 62)
    folder.mkdir(parents=True)
    (folder / "stage.json").write_bytes(text)
    (tmp_path / "ab" / "note.txt").write_text("no stage")
    assert list(facts(tmp_path)) == [] == list(facts(tmp_path / "nowhere"))


def test_a_large_store_is_read_at_once(tmp_path):
    """2,000 stages as real ones are: two milliseconds each at most, also on a busy machine."""
    told = {"kind": "measure", "digest": "d" * 64, "files": {"x": 100}, "seconds": 1.0, "sweep": "s", "needs": [],
            "info": {"correct": "A" * 1700, "params": {f"layer{i}.weight": [100, 100] for i in range(60)}}}
    for number in range(2000):
        folder = tmp_path / f"{number % 256:02x}" / f"{number % 256:02x}{number:062x}"
        folder.mkdir(parents=True)
        (folder / "stage.json").write_text(json.dumps(told))
    started = time.perf_counter()
    assert sum(f.kind == "measure" for f in facts(tmp_path)) == 2000
    assert time.perf_counter() - started < 4
    own = f"ff{255:062x}"
    assert [f.key for f in facts(tmp_path, [own], most=2)] == [own, f"00{0:062x}", f"00{256:062x}"] and len(list(facts(tmp_path, [own]))) == 2000


def test_an_older_stage_tells_nothing_of_its_place():
    old = fact("k", {"kind": "train", "seconds": 2, "files": {"w": 5}, "info": {"images": 64}}, 10)
    assert (old.place, old.about, old.images, old.macs, old.size) == (None, ("", "", ""), 64, 0, 15)
