"""Records: strict, whole, never overwritten, and nothing in them that contradicts itself."""
from __future__ import annotations

import copy
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.values import record as records
from benchbase.values.budget import Budget
from benchbase.values.record import (SCHEMA, consistent, failure_of, key_of, load_failures, load_records, path_of, read, record_of, same, schema_text,
                                     scrub, to_text, write)
from benchbase.values.recipe import Recipe


@pytest.fixture
def data(factory):
    return factory.record_data()


def test_the_published_schema_is_that_of_the_fields():
    """Written by `python -c 'from benchbase.values.record import SCHEMA, schema_text; SCHEMA.write_text(schema_text())'`."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("protocol", ["one-shot", "finetune", "scratch-e", "scratch-b"])
def test_records_validate_against_the_schema(factory, protocol):
    made = factory.record(protocol=protocol)
    jsonschema.validate(json.loads(to_text(made)), json.loads(schema_text()))
    assert consistent(made) == []


def test_golden_key(factory):
    """A change here orphans every record: don't, or raise the protocol version."""
    assert factory.record().key == "f597d96ffea902fdb0c12d295b85986c0d68ba6d1bc92d04e659a1b416cca46b"


def test_a_key_is_what_was_asked_and_nothing_else(factory, data):
    key = factory.record().key
    same_key = {"device": {"type": "cuda"}, "versions": {}, "threads": 2, "right": 800, "started": "2026-01-01T00:00:00Z", "seconds": 9.0}
    for name, value in same_key.items():
        assert factory.record(**{name: value}).key == key, name
    assert key_of(**{**data, "budget": replace(Budget(ratio=0.5), name="half")}) == key
    assert key_of(**{**data, "method": {**data["method"], "distribution": "other", "distribution_version": "9"}}) == key
    others = [{"dataset": "cifar10"}, {"model": "resnet20"}, {"method": "thinet"}, {"params": {"images": 3}}, {"budget": Budget(ratio=0.25)},
              {"budget": Budget(ratio=0.5, scope="all")}, {"protocol": "scratch-e"}, {"seed": 1}, {"recipe": Recipe(epochs=31)},
              {"finetune": Recipe(epochs=9)}, {"method__version": 2}, {"method__source": "ab" * 32}, {"protocol_version": 2}]
    keys = [factory.record(**other).key for other in others]
    assert len({key, *keys}) == len(others) + 1


@given(st.permutations(["dataset", "model", "method", "budget", "protocol", "seed", "recipe", "finetune_recipe"]))
def test_a_key_does_not_depend_on_order(factory, order):
    data = factory.record_data()
    assert key_of(**{name: data[name] for name in order}) == factory.record().key


def test_text_is_a_function_of_content(tmp_path, factory):
    made = factory.record()
    path = write(made, tmp_path)
    assert path.read_text() == to_text(made) and read(path) == made and to_text(read(path)) == to_text(made)
    assert path == tmp_path / "v1" / path_of(made) and path.name == f"{made.key}.json"


@pytest.mark.parametrize(("names", "parts"), [
    ({"dataset": "digits", "model": "torchvision:vgg16_bn"}, ("digits", "torchvision-vgg16_bn")),
    ({"dataset": "..", "model": ".hidden"}, ("_", "_hidden")),
    ({"dataset": "a/../b", "model": "failed"}, ("a-..-b", "_failed")), ({"dataset": "a\\b", "model": "x" * 200}, ("a-b", None))])
def test_paths_are_plain_whatever_names_are(factory, names, parts):
    path = path_of(factory.record(**names))
    assert path.parts[0] == "records" and len(path.parts) == 5 and ".." not in path.parts and path.parts[1] == parts[0]
    assert path.parts[2] == parts[1] if parts[1] else len(path.parts[2]) < 100


def changed(data, where, value):
    data = copy.deepcopy(data)
    *path, last = where.split(".")
    inner = data
    for name in path:
        inner = inner[name]
    if value is DELETE:
        del inner[last]
    else:
        inner[last] = value
    return data


DELETE = object()


@pytest.mark.parametrize(("where", "value"), [
    ("metrics.top1", 101.0), ("metrics.top1", -1.0), ("metrics.top1", "93.2"), ("metrics.top1", True), ("metrics.loss", None),
    ("metrics.params", 1.5),
    ("metrics.extra", {"x": "y"}), ("metrics.bogus", 1), ("bogus", 1), ("seed", -1), ("seed", 1.0), ("schema", 2), ("key", "AB" * 32), ("key", "ab"),
    ("dataset.fingerprint", "x"), ("dataset", "digits"), ("model", ""), ("model", "a\nb"), ("method.name", "x" * 201), ("budget", {"ratio": 2}),
    ("budget", {"ratio": "0.5"}), ("budget", {}), ("recipe.lr", "0.1"), ("recipe.lr", -1.0), ("recipe.bogus", 1), ("architecture.shape", [1, 8]),
    ("architecture.masks", "no"), ("kept", "short"), ("kept", {"conv1": [-1]}), ("test_images", 0), ("correct", "no base64!"), ("correct", DELETE),
    ("digests.final", None), ("digests.plain", DELETE), ("shared_with", ["x"]), ("ledger.retrain", DELETE), ("ledger.prune.macs", -1), ("threads", 0),
    ("versions", {"torch": 2}), ("started", "yesterday"), ("started", "2025-01-01T00:00:00+02:00"), ("supersedes", "x"), ("unpruned.top5", 100.5),
    ("recipe.epochs", float("inf")), ("recipe.lr", 10**400), ("budget", {"ratio": 10**400}), ("device", {"a": [[[[[[[[[[1]]]]]]]]]]}),
    ("scratch_epochs", {"formula": 3}), ("asked", {"x": float("nan")}), ("device", {"name": float("inf")})])
def test_a_wrong_field_is_refused_and_named(tmp_path, factory, where, value):
    data = changed({**json.loads(to_text(factory.record()))}, where, value)
    path = tmp_path / "r.json"
    path.write_text(json.dumps(data))
    with pytest.raises(BenchError) as error:
        read(path)
    assert "r.json" in error.value.what and where.split(".")[0] in error.value.what and error.value.todo and "\n" not in error.value.what


def test_records_are_plain_files_of_their_folder(tmp_path, factory):
    """A link may not show a file from elsewhere; a pipe is not waited for."""
    folder = tmp_path / "lb" / "v1" / "records" / "digits"
    folder.mkdir(parents=True)
    (tmp_path / "elsewhere.json").write_text(to_text(factory.record()))
    (folder / "a.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BenchError, match="leaves its folder"):
        load_records(tmp_path / "lb")
    (folder / "a.json").unlink()
    os.mkfifo(folder / "a.json")
    with pytest.raises(BenchError, match="no plain file"):
        load_records(tmp_path / "lb")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"schema": 1}', b"[" * 10_000])
def test_files_that_are_no_records(tmp_path, content):
    (tmp_path / "r.json").write_bytes(content)
    with pytest.raises(BenchError, match="r.json"):
        read(tmp_path / "r.json")


@pytest.mark.parametrize(("changes", "wrong"), [
    ({"metrics__top1": 99.0}, "metrics.top1"), ({"test_images": 897}, "correct"), ({"digests__architecture": "0" * 64}, "digests.architecture"),
    ({"metrics__nonzero": 10**9}, "more is not zero"), ({"metrics__top5": 1.0}, "top5"), ({"metrics__macs": 10**9}, "larger"),
    ({"unpruned__macs_nonzero": 10**9}, "unpruned"), ({"key": "0" * 64}, "key")])
def test_what_contradicts_itself_is_seen_and_not_written(tmp_path, factory, changes, wrong):
    said = {name: value for name, value in changes.items() if name != "key"}
    made = record_of({**factory.record_data(**said), **({"key": changes["key"]} if "key" in changes else {})})
    assert any(wrong in what for what in consistent(made)), consistent(made)
    with pytest.raises(BenchError, match="contradicts") as error:
        write(made, tmp_path)
    assert error.value.kind == "infra_error" and not list(tmp_path.rglob("*.json"))


def test_tampering_with_what_was_asked_breaks_the_key(factory):
    data = json.loads(to_text(factory.record()))
    changes = {"seed": 5, "protocol": "scratch-b", "budget": {"ratio": 0.25, "name": "0.5"}, "recipe.epochs": 300, "model": "resnet20"}
    for where, value in changes.items():
        tampered = records.Record.model_validate_json(json.dumps(changed(data, where, value)))
        assert any("key" in what for what in consistent(tampered)), where


def test_the_same_again_is_left_alone_another_is_a_reproduction(tmp_path, factory):
    first = write(factory.record(), tmp_path)
    before = first.read_bytes()
    assert write(factory.record(started="2030-01-01T00:00:00Z", seconds=99.0, device={"type": "cuda"}, threads=4), tmp_path) == first
    other = write(factory.record(right=849), tmp_path)
    third = write(factory.record(right=848), tmp_path)
    assert [p.name for p in (other, third)] == [f"{factory.record().key}.{n}.json" for n in (1, 2)]
    assert write(factory.record(right=849), tmp_path) == other and first.read_bytes() == before
    assert len(load_records(tmp_path)) == 3


def test_what_is_the_same(factory):
    one = factory.record()
    assert same(one, factory.record(metrics__latency_ratio=0.5, shared_with=["ab" * 32]))
    for change in ({"right": 849}, {"final": "ab" * 32}, {"metrics__loss": 0.3}, {"unpruned__loss": 0.3}, {"seed": 1}):
        assert not same(one, factory.record(**change)), change
    assert not same(one, factory.failure()) and same(factory.failure(), factory.failure()) and not same(factory.failure(), factory.failure("oom"))


def test_writers_at_once_leave_one_file_each(tmp_path, factory):
    made = [factory.record(right=840 + i % 4) for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda record: write(record, tmp_path), made))
    assert len(set(paths)) == 4 == len(load_records(tmp_path))
    assert {p: read(p).metrics.top1 for p in paths} == {p: m.metrics.top1 for p, m in zip(paths, made, strict=True)}
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".json"]


def test_a_folder_that_cannot_be_written(nobody, factory):
    Path("shut").mkdir(mode=0o500)
    made = factory.record()
    with nobody(), pytest.raises(BenchError, match="cannot write"):
        write(made, "shut/lb")
    assert not any(Path("shut").iterdir())


def test_a_leaderboard_that_is_a_file(tmp_path, factory):
    (tmp_path / "lb").write_text("")
    with pytest.raises(BenchError, match="cannot write"):
        write(factory.record(), tmp_path / "lb")


def test_failures_stand_apart(tmp_path, factory):
    write(factory.record(), tmp_path)
    path = write(factory.failure(), tmp_path)
    assert path.parent.name == "failed" and len(load_records(tmp_path)) == len(load_failures(tmp_path)) == 1
    assert load_failures(tmp_path / "v1")[0].kind == "diverged" and load_records(tmp_path / "v1" / "records" / "digits")[0] == factory.record()
    with pytest.raises(BenchError, match="there are no records"):
        load_records(tmp_path / "elsewhere")
    with pytest.raises(BenchError, match="kind"):
        factory.failure("bad luck")


def test_no_path_enters_a_record(factory):
    data = factory.record_data()
    made = failure_of({**{n: data[n] for n in ("dataset", "model", "method", "budget", "seed", "recipe", "finetune_recipe")}, "kind": "infra_error",
                       "message": "cannot read /home/ada/data/x.png", "traceback": 'File "/home/ada/bench/mine.py", line 3; C:\\Users\\ada\\m.py'})
    assert made.message == "cannot read x.png" and made.traceback == 'File "mine.py", line 3; m.py'


@pytest.mark.parametrize(("text", "clean"), [("/home/ada/x.py:3", "x.py:3"), ("a / b", "a / b"), ("and/or", "and/or"),
                                             ("https://host/page", "https://host/page"),
                                             ("(/tmp/a/b.txt)", "(b.txt)"), ("C:\\Users\\ada\\m.py", "m.py"), ("/x", "/x"), ("", "")])
def test_scrub(text, clean):
    assert scrub(text) == clean
    assert len(scrub("x" * 100, 10)) == 10
