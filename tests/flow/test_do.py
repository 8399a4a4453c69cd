"""`do`: run once, remembered, run again when asked, and only then."""
from __future__ import annotations

import contextlib
import multiprocessing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchbase.errors import BenchError
from benchbase.flow.course import Course
from benchbase.flow.do import Do, Event, Running, Stage, as_failure, key_of
from benchbase.flow.limits import Limits
from benchbase.flow.store import Done, Store
from benchbase.values.recipe import Recipe


@dataclass(frozen=True)
class Toys:
    """What toy stages need of the world."""

    ran: list
    course: Course = Course()


def double(tools, folder, *, x, **rest):
    tools.ran.append(x)
    tools.course.tick(0.5)
    (folder / "result").write_text(str(2 * x))
    return f"digest of {2 * x}", {"value": 2 * x}


def fail(tools, folder, *, error, **rest):
    tools.ran.append(error)
    raise error


DOUBLE = Stage("train", 1, double)


@pytest.fixture
def toys() -> Toys:
    return Toys([])


@pytest.fixture
def do(tmp_path, toys) -> Do:
    return Do(Store(tmp_path), toys)


def failing(do: Do, error: BaseException, kind: str = "prune", cheap: bool = False) -> BenchError:
    stage = Stage(kind, 1, lambda tools, folder, *, x: fail(tools, folder, error=error), cheap)
    with pytest.raises(BenchError) as raised:
        do(stage, x=1)
    return raised.value


def test_runs_once(do, toys):
    first, again, other = do(DOUBLE, x=1), do(DOUBLE, "a label", x=1), do(DOUBLE, x=2)
    assert toys.ran == [1, 2] and first == again != other
    assert first.info == {"value": 2} and (first.folder / "result").read_text() == "2" and first.kind == "train"


def test_observers_see_every_stage_watchers_those_that_run(tmp_path, toys):
    seen, running = [], []
    do = Do(Store(tmp_path), toys, seen.append, running.append)
    key = do(DOUBLE, "one", x=1).key
    do(DOUBLE, "two", x=1)
    assert [(e.kind, e.key, e.cached, e.label) for e in seen] == [("train", key, False, "one"), ("train", key, True, "two")]
    assert isinstance(seen[0], Event) and seen[0].seconds > 0 == seen[1].seconds
    assert running == [Running("train", key, "one", part) for part in (0.0, 0.5, 1.0)]


def test_golden_keys():
    """A change here orphans every store."""
    recipe = Recipe(epochs=3)
    assert key_of(Stage("train", 1, double), {"recipe": recipe, "seed": 0}) == "49df52bf1bcdca7bea83357c85588c692d32602d0a73efd1fd1d0ffdbb639e37"


def test_what_is_in_a_key():
    key = key_of(DOUBLE, {"x": 1, "recipe": Recipe()})
    assert key == key_of(Stage("train", 1, fail), {"recipe": Recipe(), "x": 1, "start": None})
    others = [key_of(Stage("train", 2, double), {"x": 1, "recipe": Recipe()}), key_of(Stage("prune", 1, double), {"x": 1, "recipe": Recipe()}),
              key_of(DOUBLE, {"x": 1, "recipe": Recipe(lr=0.2)}), key_of(DOUBLE, {"x": 1, "recipe": Recipe(), "start": 0}),
              key_of(DOUBLE, {"x": "1", "recipe": Recipe()}), key_of(DOUBLE, {"y": 1, "recipe": Recipe()})]
    assert len({key, *others}) == 7


def test_a_stage_enters_by_the_digest_of_what_it_made(tmp_path):
    """Early cut-off: two ways to the same weights are one input."""
    one, two = Done("k1", "train", "same", {"a": 1}, tmp_path, 1.0), Done("k2", "prune", "same", {}, tmp_path / "x", 2.0)
    assert key_of(DOUBLE, {"w": one}) == key_of(DOUBLE, {"w": two}) != key_of(DOUBLE, {"w": replace(one, digest="other")})
    assert key_of(DOUBLE, {"w": [one]}) == key_of(DOUBLE, {"w": (two,)}) and key_of(DOUBLE, {"w": {"a": one}}) == key_of(DOUBLE, {"w": {"a": two}})


@pytest.mark.parametrize(("error", "stage", "kind"), [
    (RuntimeError("boom"), "prune", "infra_error"), (RuntimeError("boom"), "resolve", "infra_error"), (RuntimeError("boom"), "train", "infra_error"),
    (RuntimeError("boom"), "measure", "infra_error"), (MemoryError(), "train", "oom"), (BenchError("nan", kind="diverged"), "train", "diverged"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "prune", "oom"),
    (BenchError("odd tensors"), "train", "infra_error"), (OSError(5, "Input/output error"), "train", "infra_error")])
def test_who_failed(do, error, stage, kind):
    failed = failing(do, error, stage)
    assert failed.kind == kind and failed.where and "/" not in failed.where and "test_do.py" in failed.where
    assert do.store.get(key_of(Stage(stage, 1, double), {"x": 1})) is None


def test_a_cheap_stage_judges_the_user(do):
    assert failing(do, BenchError("no such group"), "resolve", cheap=True).kind == "usage"


@pytest.mark.parametrize("what, kind", [("method l1-norm", "method_error"), ("protocol finetune", "method_error"), ("metric agreement", "method_error"),
                                        ("experiment", "infra_error")])
def test_whose_code_was_called(what, kind):
    assert as_failure(KeyError("x"), what).kind == kind


def test_memory_that_a_method_lacked_is_no_fault_of_the_method():
    try:
        try:
            raise MemoryError
        except MemoryError as error:
            raise BenchError("greedy: MemoryError", kind="method_error") from error
    except BenchError as error:
        assert as_failure(error, "prune").kind == "oom"


def test_a_full_disk_is_the_store_s_and_ends_the_sweep(do):
    error = failing(do, OSError(28, "No space left on device"), "prune")
    assert (error.kind, error.what) == ("usage", "cannot write to the store: No space left on device") and str(do.store.root) in error.todo


def test_torch_says_out_of_memory_its_own_way():
    class OutOfMemoryError(RuntimeError):
        pass
    assert as_failure(OutOfMemoryError("CUDA out of memory"), "train").kind == "oom"


@pytest.mark.parametrize(("kind", "remembered"), [("diverged", True), ("method_error", True), ("not_applicable", True), ("oom", False),
                                                  ("infra_error", False)])
def test_what_the_same_inputs_bring_again_is_remembered(do, toys, kind, remembered):
    first, second = (failing(do, BenchError("what", "todo", kind)) for _ in range(2))
    assert (first.what, first.todo, first.kind, first.where) == (second.what, second.todo, second.kind, second.where)
    assert len(toys.ran) == 2 - remembered


def test_rerun_failed_tries_again_once_a_sweep(do, toys):
    error = BenchError("nan", kind="diverged")
    failing(do, error)
    do(DOUBLE, x=5)
    again = replace(do, rerun="failed", sweep="s2")
    failing(again, error)
    failing(replace(again), error)  # another process of the same sweep
    again(DOUBLE, x=5)
    assert toys.ran == [error, 5, error]
    stage = Stage("prune", 1, double)
    assert replace(do, rerun="failed", sweep="s3")(stage, x=1).info == {"value": 2} and do(stage, x=1).info == {"value": 2}


def test_rerun_all_runs_each_stage_once_a_sweep(do, toys):
    do(DOUBLE, x=1)
    again = replace(do, rerun="all", sweep="s2")
    assert again.find(key_of(DOUBLE, {"x": 1})) is None
    again(DOUBLE, x=1)
    replace(again)(DOUBLE, x=1)
    do(DOUBLE, x=1)
    assert toys.ran == [1, 1]
    replace(again, sweep="s3")(DOUBLE, x=1)
    assert toys.ran == [1, 1, 1]


def test_a_rerun_that_fails_keeps_what_was_there(do, toys):
    first = do(DOUBLE, x=1)
    broken = Stage("train", 1, lambda tools, folder, *, x: fail(tools, folder, error=RuntimeError("disk")))
    with pytest.raises(BenchError):
        replace(do, rerun="all", sweep="s2")(broken, x=1)
    assert do(DOUBLE, x=1) == first


def test_an_interrupt_leaves_the_store_as_it_was(do, toys):
    stage = Stage("train", 1, lambda tools, folder, *, x: (folder / "half").write_text("x") and fail(tools, folder, error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        do(stage, x=1)
    key = key_of(stage, {"x": 1})
    assert do.store.get(key) is None and do.store.failure(key) is None and not list(do.store.folder(key).parent.iterdir())
    assert do(DOUBLE, x=1).info == {"value": 2}


def test_a_store_that_cannot_be_written_stops_everything(tmp_path, toys):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="store") as error:
        Do(Store(tmp_path / "file"), toys)(DOUBLE, x=1)
    assert error.value.kind == "usage"


def slow(tools, folder, *, log):
    import time

    with Path(log).open("a") as file:
        file.write("ran\n")
    time.sleep(0.3)
    return "digest", {}


def ask(root: str, log: str) -> None:
    Do(Store(Path(root)), Toys([]), rerun="all", sweep="s1")(Stage("train", 1, slow), log=log)


def test_processes_that_ask_at_once_run_it_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=ask, args=(str(tmp_path / "store"), str(tmp_path / "log"))) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert (tmp_path / "log").read_text() == "ran\n"


def test_what_ran_into_a_limit_is_tried_again_with_a_higher_one(do, toys):
    late, short = BenchError("too long", kind="timeout"), replace(do, limits=Limits(10))
    failing(short, late)
    failing(short, late)
    failing(replace(do, limits=Limits(5)), late)
    assert len(toys.ran) == 1
    for limits in (Limits(20), Limits(), Limits(0, 1 << 30)):
        failing(replace(do, limits=limits), late)
    assert len(toys.ran) == 4


def test_checkpoints_live_as_long_as_there_is_something_to_go_on_from(do):
    def run(error=None):
        def work(tools, folder, *, x):
            tools.course.folder.mkdir(parents=True, exist_ok=True)
            (tools.course.folder / "checkpoint.json").write_text("{}")
            if error:
                raise error
            return "d", {}
        with contextlib.suppress(BenchError):
            do(Stage("train", 1, work), x=1)
        return do.store.checkpoint(key_of(DOUBLE, {"x": 1})).exists()
    assert run(BenchError("late", kind="timeout")) and run(RuntimeError("odd")) and run(MemoryError())
    assert not run(BenchError("nan", kind="diverged"))
    do = replace(do, rerun="failed", sweep="s2")
    assert not run()
