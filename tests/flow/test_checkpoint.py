"""Checkpoints: whole or absent, believed only as written, and no trace of an interruption in what is trained."""
from __future__ import annotations

import json
import random
import resource
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from benchbase.errors import BenchError
from benchbase.flow import checkpoint
from benchbase.flow.checkpoint import HOLD, WRITE, Keeper, read_checkpoint, write_checkpoint
from benchbase.flow.course import Course
from benchbase.flow.run import run_suite
from benchbase.training.state import DAMAGED, State

MADE = {"versions": {"torch": "1"}, "device": {"type": "cpu", "name": "this one"}}


def state(epoch: int = 3) -> State:
    return State(epoch, {"model/weight": torch.arange(6.0) + epoch, "momentum/weight": torch.ones(6), "callback/0/seen": torch.tensor([epoch])},
                 {"0": {"seen": {"tensor": "callback/0/seen"}, "best": float("inf"), "names": ["a"]}})


def same(one: State, two: State) -> bool:
    return one.epoch == two.epoch and one.plain == two.plain and one.tensors.keys() == two.tensors.keys() \
        and all(torch.equal(one.tensors[k], two.tensors[k]) for k in one.tensors)


def test_there_and_back_and_the_newest_alone_is_left(tmp_path):
    folder = tmp_path / "checkpoints" / "k"
    assert read_checkpoint(folder) is None
    for epoch in (3, 4):
        write_checkpoint(folder, state(epoch), {"key": "k"})
        got, facts = read_checkpoint(folder)
        assert same(got, state(epoch)) and facts == {"key": "k"}
    assert len(list(folder.iterdir())) == 2


def test_any_other_byte_is_seen(tmp_path):
    write_checkpoint(tmp_path, state(), {"key": "k", "seconds": 1.5})
    rng, seen = random.Random(0), 0
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for at in rng.sample(range(len(whole)), 60):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1:])
            try:
                got = read_checkpoint(tmp_path)
                assert same(got[0], state()) and got[1] == {"key": "k", "seconds": 1.5}  # a byte that says nothing: a space, as a rule
            except BenchError as error:
                assert error.kind == DAMAGED
                seen += 1
        for cut in (0, 1, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:cut])
            with pytest.raises(BenchError) as error:
                read_checkpoint(tmp_path)
            assert error.value.kind == DAMAGED
        path.write_bytes(whole)
    assert seen > 100 and same(read_checkpoint(tmp_path)[0], state())


@pytest.mark.parametrize("head", ["[" * 200_000, '{"body": ' * 200_000, '{"body": ' + "9" * 5_000 + "}", "[1]", "3", '{"digest": 1}', "\x00"])
def test_what_was_never_a_checkpoint(tmp_path, head):
    (tmp_path / "checkpoint.json").write_text(head)
    with pytest.raises(BenchError) as error:
        read_checkpoint(tmp_path)
    assert error.value.kind == DAMAGED


def test_a_writer_that_dies_at_any_moment_leaves_the_old_one_or_the_new_one(tmp_path, monkeypatch):
    """Its steps on the disk, each the last one in turn."""
    class Died(BaseException):
        pass

    for steps in range(12):
        folder, left = tmp_path / str(steps), [steps]
        write_checkpoint(folder, state(3), {})

        def dying(real, left=left):
            def call(*args, **rest):
                left[0] -= 1
                if left[0] < 0:
                    raise Died
                return real(*args, **rest)
            return call
        with monkeypatch.context() as patch:
            for owner, name in ((checkpoint, "save_file"), (checkpoint, "sync"), (checkpoint.os, "replace"), (Path, "write_text"), (Path, "unlink")):
                patch.setattr(owner, name, dying(getattr(owner, name)))
            try:
                write_checkpoint(folder, state(4), {})
                died = False
            except Died:
                died = True
        got = read_checkpoint(folder)[0]
        assert same(got, state(3)) or same(got, state(4))
        write_checkpoint(folder, state(5), {})
        assert same(read_checkpoint(folder)[0], state(5)) and len(list(folder.iterdir())) == 2
    assert not died


def test_it_is_written_when_it_costs_little(tmp_path, monkeypatch):
    """Epochs of one second; a copy takes 1 ms, writing one takes 100 ms: every sixth epoch or so is written, each one held."""
    now, folder = [100.0], tmp_path / "k"
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now[0])
    real, written = write_checkpoint, []

    def slow(place, taken, facts):
        now[0] += 0.1
        written.append(taken.epoch)
        real(place, taken, facts)
    monkeypatch.setattr(checkpoint, "write_checkpoint", slow)

    def take(epoch):
        now[0] += 0.001
        return state(epoch)
    keeper = Keeper(Course(folder=folder, key="k"), MADE)
    for epoch in range(20):
        now[0] += 1.0
        keeper.after_epoch(epoch, lambda epoch=epoch: take(epoch + 1))
    assert written == [1, 7, 13, 19] and (1 / WRITE + 1 / HOLD) < 0.02
    with pytest.raises(KeyboardInterrupt), keeper:
        raise KeyboardInterrupt
    assert written[-1] == 20 and same(read_checkpoint(folder)[0], state(20))
    with pytest.raises(BenchError), keeper:
        keeper.after_epoch(20, lambda: take(21))
        raise BenchError("nan", kind="diverged")
    assert written[-1] == 20


def kept(folder: Path, **facts) -> None:
    write_checkpoint(folder, state(), {**MADE, "key": "k", "sweep": "s1", "seconds": 2.5, **facts})


@pytest.mark.parametrize("change, words", [({"key": "other"}, "another stage"), ({"versions": {"torch": "2"}}, "other versions"), ({"seconds": None}, "")])
def test_what_is_not_of_this_stage_is_set_aside(tmp_path, change, words):
    told, folder = [], tmp_path / "k"
    kept(folder, **change)
    assert Keeper(Course(say=told.append, folder=folder, key="k"), MADE).found() is None
    assert not folder.exists() and (tmp_path / "k.aside" / "checkpoint.json").exists() and len(told) == 1 and words in told[0] and "anew" in told[0]


def test_where_to_go_on_from(tmp_path):
    told, folder = [], tmp_path / "k"
    kept(folder)
    keeper = Keeper(Course(say=told.append, folder=folder, key="k"), {**MADE, "device": {"type": "cpu", "name": "another"}})
    assert same(keeper.found(), state()) and told == ["goes on after epoch 3"] and keeper.seconds == 2.5
    assert keeper.made == {**MADE, "device": {"type": "cpu", "name": "this one, another"}}
    anew = Course(folder=folder, key="k", sweep="s2", anew=True)
    assert Keeper(anew, MADE).found() is None and folder.exists()
    assert same(Keeper(Course(folder=folder, key="k", sweep="s1", anew=True), MADE).found(), state())
    assert Keeper(Course(), MADE).found() is None


def test_a_disk_that_takes_none_stops_no_training(tmp_path):
    told = []
    (tmp_path / "file").write_text("")
    keeper = Keeper(Course(say=told.append, folder=tmp_path / "file" / "k", key="k"), MADE)
    keeper.after_epoch(0, state)
    keeper.write()
    assert len(told) == 1 and "cannot be written" in told[0]


def test_what_does_not_fit_takes_no_room(tmp_path):
    write_checkpoint(tmp_path, state(), {})
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises((OSError, SafetensorError)):
            write_checkpoint(tmp_path, state(4), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


SUITE = {"methods": ("growing-reg",), "protocols": ("one-shot", "scratch-e"), "recipe": {"epochs": 6, "batch_size": 32}}


def interrupting(epochs, kind="train"):
    left = [epochs]

    def watch(running):
        if running.kind == kind and 0 < running.done < 1:
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
    return watch


def timeless(value):
    return {k: timeless(v) for k, v in value.items() if k not in ("started", "seconds")} if isinstance(value, dict) else value


@pytest.mark.parametrize("damage", [None, "tensors", "head"])
def test_an_interrupted_sweep_ends_as_one_never_interrupted(settings, tiny, read, tmp_path, damage):
    """A base, and one of a callback with a state, each stopped in mid-training; damaged checkpoints are set aside, and nobody sees it in the records."""
    whole = settings()
    run_suite(tiny(**SUITE), whole)
    want = {key: timeless(row) for key, row in read(whole.leaderboard).items()}
    here = type(whole)(tmp_path / "store2", whole.data, tmp_path / "board2", device="cpu")
    notes, again = [], []
    for epochs in (3, 6):
        assert run_suite(tiny(**SUITE), here, watch=interrupting(epochs)).stopped
        (folder,) = (path for path in here.store.glob("checkpoints/*") if path.suffix != ".aside")
        if damage:
            path = next(folder.glob("*.safetensors")) if damage == "tensors" else folder / "checkpoint.json"
            path.write_bytes(path.read_bytes()[:-3] + b"\0\0\0")
    sweep = run_suite(tiny(**SUITE), here, watch=lambda running: (notes.append(running.note), again.append(running.done)))
    assert sweep.exit_code == 0 and {key: timeless(row) for key, row in read(here.leaderboard).items()} == want
    told = [note for note in notes if note]
    assert len(told) == 1 and ("set aside" if damage else "goes on after epoch") in told[0]
    left = [p.name for p in here.store.glob("checkpoints/*")]
    assert left == [] if not damage else all(name.endswith(".aside") for name in left)


def test_a_callback_that_does_not_take_its_state_back_is_trained_anew(settings, tiny, own, read):
    """The stage comes out as if nobody had interrupted it, and it is told why it begins anew."""
    suite, notes = tiny(methods=(own("Forgetful"),), protocols=("one-shot",), recipe={"epochs": 6, "batch_size": 32}), []
    assert run_suite(suite, settings(), watch=interrupting(8)).stopped
    sweep = run_suite(suite, settings(), watch=lambda running: notes.append(running.note))
    assert sweep.exit_code == 0 and "load fails on it: KeyError" in " ".join(notes)
    rows = json.dumps([timeless(row) for row in read(settings().leaderboard).values()])
    shutil.rmtree(settings().store), shutil.rmtree(settings().leaderboard)
    run_suite(suite, settings())
    assert json.dumps([timeless(row) for row in read(settings().leaderboard).values()]) == rows
