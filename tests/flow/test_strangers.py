"""One fault planted in a plugin of each kind: what it costs is its own cell, by name, and the cell beside it is done and recorded."""
from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from types import ModuleType

import pytest
import torch
from torch import nn

from benchbase import BenchError, Budget, Callback, Dataset, Method, Metric, Protocol, Selection, hookimpl
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.plugin.load import _found, opened
from benchbase.plugin.manager import Plugins
from benchbase.values.record import load_failures, load_records


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("strangers")


@pytest.fixture
def swept(tiny, store, tmp_path):
    """swept(hook=what it returns, suite={...}, executor=""): (sweep, plugins) of a suite with a stranger's plugin; stages are shared by all tests."""
    def run(suite, executor="", events=(), **offered):
        module = ModuleType("stranger")
        for kind, values in offered.items():
            setattr(module, f"bench_{kind}", hookimpl(lambda values=values: values))
        for event in events:
            setattr(module, event.__name__, hookimpl(event))
        plugins = Plugins(opened([*_found(), ("stranger", "a-stranger", "1.0", module)]))
        here = Settings(store, tmp_path / "data", tmp_path / "board", device="cpu", executor=executor)
        return run_suite(tiny(**{"protocols": ("one-shot",), **suite}), here, plugins), plugins
    return run


def boom(*arguments, **named):
    raise RuntimeError("boom")


def leave(*arguments, **named):
    sys.exit(3)


def halves(self, net, data, budget):
    return Selection({group.name: range(group.width // 2) for group in net.groups})


def callback(name, **hooks):
    """A method that is sound, with a callback that is not."""
    own = dataclass(frozen=True)(type(name, (Callback,), hooks))
    return method(name, training=lambda self, budget: own())


def method(name, **parts):
    return dataclass(frozen=True)(type(name, (Method,), {"name": name, "select": halves, **parts}))


def holding(value):
    """A callback with a field that no key can hold."""
    @dataclass(frozen=True)
    class Held(Callback):
        what: object = None
    return Held(value)


@dataclass(frozen=True)
class Sound(Callback):
    """Does nothing."""


METHODS = {
    "start": (callback("start", start=boom), "callback start: start failed: RuntimeError: boom"),
    "gradient": (callback("gradient", after_backward=boom), "callback gradient: after_backward failed: RuntimeError: boom"),
    "step": (callback("step", after_step=lambda self: None), r"callback step: after_step failed: TypeError: .*takes 1 positional argument but 2"),
    "epoch": (callback("epoch", after_epoch=lambda self, model: None), r"callback epoch: after_epoch failed: TypeError"),
    "finish": (callback("finish", finish=leave), "callback finish: finish failed: SystemExit: 3"),
    "state": (callback("state", state=boom), "callback state: state failed: RuntimeError: boom"),
    "wrong-word": (callback("wrong-word", start=lambda self, net: (_ for _ in ()).throw(BenchError("no", "nothing"))), "start failed: BenchError: no"),
    "no-callback": (method("no-callback", training=lambda self, budget: 7), "method no-callback failed: TypeError: training gave int, not a Callback"),
    "no-key": (method("no-key", training=lambda self, budget: holding(object())), "method no-key failed: TypeError: object has no canonical form"),
    "search": (method("search", training=lambda self, budget: Sound(), trials=2, target="automatic", search=lambda self, budget, tried: "more"),
               "method search failed: TypeError: search gave str, not a Callback"),
    "fit": (method("fit", fit=lambda self, net, budget: 0.5), "fit: fit: TypeError: it gave float, not a Budget"),
    "select": (method("select", select=leave), "select: SystemExit: 3"),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_their_callbacks(swept, tmp_path, name):
    value, words = METHODS[name]
    sweep, _ = swept({"methods": (name, "l1-norm")}, methods=[value])
    [(cell, kind, what)] = sweep.failures
    assert (sweep.exit_code, kind, cell.split()[0]) == (1, "method_error", name)
    with pytest.raises(BenchError, match=words):
        raise BenchError(what)
    assert [record.method.name for record in load_records(tmp_path / "board")] == ["l1-norm"]
    [failure] = load_failures(tmp_path / "board")
    assert failure.message.startswith(what) and (failure.kind, failure.method.distribution) == ("method_error", "a-stranger")


RECIPES = {"raises": (boom, "RuntimeError: boom"), "nothing": (lambda *given: None, "TypeError: it gave NoneType, not a Recipe"),
           "table": (lambda *given: {"epochs": 1}, "TypeError: it gave dict, not a Recipe"), "two": (lambda base, finetune: base, "TypeError: "),
           "exits": (leave, "SystemExit: 3")}


@pytest.mark.parametrize("name", RECIPES)
def test_protocols(swept, tmp_path, name):
    train, words = RECIPES[name]
    sweep, _ = swept({"protocols": (name, "one-shot")}, protocols=[Protocol(name, "fresh", train)])
    [(cell, kind, what)] = sweep.failures
    assert (sweep.exit_code, kind, cell.split(":")[0]) == (1, "method_error", name) and what.startswith(f"protocol {name} failed: {words}")
    assert [record.protocol for record in load_records(tmp_path / "board")] == ["one-shot"]


MEASURES = {"raises": (boom, "metric raises failed: RuntimeError: boom"), "exits": (leave, "metric exits failed: SystemExit: 3"),
            "nan": (lambda *given: float("nan"), "it measured nan"), "text": (lambda *given: "97", "it measured '97'"),
            "tensor": (lambda *given: torch.ones(2), r"it measured tensor"), "none": (lambda self: 1.0, "metric none failed: TypeError: ")}


def test_metrics(swept, tmp_path):
    """All at once: none of them takes the row with it, nor another metric."""
    sound = type("Sound", (Metric,), {"name": "sound", "measure": lambda self, model, evaluation: 1.0})()
    bad = [type(name.title(), (Metric,), {"name": name, "measure": measure})() for name, (measure, _) in MEASURES.items()]
    unkeyed = dataclass(frozen=True)(type("Unkeyed", (Metric,), {"__annotations__": {"what": object}, "what": object(), "name": "unkeyed", "measure": boom}))()
    sweep, _ = swept({}, metrics=[*bad, unkeyed, sound])
    told = {cell.split(",")[0].removeprefix("metric "): (kind, what) for cell, kind, what in sweep.failures}
    assert told.pop("unkeyed") == ("method_error", "metric unkeyed failed: TypeError: object has no canonical form")
    assert sweep.exit_code == 1 and {*told} == {*MEASURES}
    assert all(kind == "method_error" and what.startswith(MEASURES[name][1]) for name, (kind, what) in told.items())
    [record] = load_records(tmp_path / "board")
    assert record.metrics.extra == {"sound": 1.0}


class Net(nn.Module):
    """Two convolutions; `spoil` has a last word on what it returns."""

    def __init__(self, classes, channels, spoil=lambda net, logits: logits):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head, self.spoil = nn.Linear(8, classes), spoil

    def forward(self, images):
        return self.spoil(self, self.head(self.body(images)))


class Uninitialised(Net):
    def init_weights(self, module):
        boom()


def unsteady(net, logits):
    return boom() if net.training and logits.requires_grad else logits


MODELS = {"too-wide": (lambda classes, channels: Net(classes + 1, channels), "the network returned (32, 5) for 32 images of 4 classes"),
          "table": (lambda classes, channels: Net(classes, channels, lambda net, logits: {"logits": logits}), "the network returned dict"),
          "fails": (lambda classes, channels: Net(classes, channels, boom), "the network does not run on inputs of shape (2, 1, 8, 8): RuntimeError: boom"),
          "in-training": (lambda classes, channels: Net(classes, channels, unsteady), "train failed: RuntimeError: boom"),
          "weights": (Uninitialised, "RuntimeError: boom")}
UNMADE = {"raises": (boom, "RuntimeError: boom"), "nothing": (lambda classes, channels: None, "TypeError: its builder returned NoneType, not a torch.nn.Module"),
          "exits": (leave, "SystemExit: 3")}


def builder(name, make):
    def build(num_classes, in_channels=3):
        return make(num_classes, in_channels)
    build.__name__ = name
    return build


@pytest.mark.parametrize("name", MODELS)
def test_models(swept, tmp_path, name):
    make, words = MODELS[name]
    sweep, _ = swept({"models": (name, "vgg-digits")}, models=[builder(name, make)])
    [(cell, kind, what)] = sweep.failures
    refused = name == "fails"  # a network that does not run on the images is none for the benchmark
    assert (sweep.exit_code, kind) == ((0, "not_applicable") if refused else (1, "infra_error")) and f" {name} " in cell and words in what
    assert [record.model for record in load_records(tmp_path / "board")] == ["vgg-digits"]


@pytest.mark.parametrize("name", UNMADE)
def test_models_that_cannot_be_made_are_named_before_anything_runs(swept, tmp_path, name):
    make, words = UNMADE[name]
    with pytest.raises(BenchError) as error:
        swept({"models": (name, "vgg-digits")}, models=[builder(name, make)])
    assert error.value.what == f"model {name} cannot be made for 4 classes and 1 channels: {words}" and error.value.todo
    assert not (tmp_path / "board").exists()


def images(count=64):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def dataset(name, **parts):
    own = {"name": name, "num_classes": 4, "shape": (1, 8, 8), "load": lambda self, root, split: (images(), torch.arange(64) % 4),
           "augment": lambda self, images, generator: images}
    return dataclass(frozen=True)(type(name, (Dataset,), {**own, **parts}))


def at_call(number, fault, sound):
    """`sound` until it is called for the `number`-th time, `fault` from then on."""
    calls = []

    def call(*arguments):
        calls.append(1)
        return (fault if len(calls) >= number else sound)(*arguments)
    return call


def batches(self, root, split, batch_size, generator):
    for begin in range(0, 64, batch_size):
        yield images()[begin:begin + batch_size], torch.arange(64)[begin:begin + batch_size] % 4


def kept(self, batch, generator):
    return batch


LATE = {"augment-raises": ({"augment": lambda: at_call(2, boom, kept)}, "data set augment-raises: augment failed: RuntimeError: boom"),
        "augment-cuts": ({"augment": lambda: at_call(2, lambda self, batch, generator: batch[:, :, 1:], kept)},
                         "data set augment-cuts: augment made torch.float32 (32, 1, 7, 8) out of torch.float32 (32, 1, 8, 8)"),
        "stream-raises": ({"stream": lambda: at_call(4, boom, batches)}, "train failed: RuntimeError: boom"),
        "stream-mislabels": ({"stream": lambda: at_call(4, lambda *given: ((x, y + 4) for x, y in batches(*given)), batches)},
                             "data set stream-mislabels, split train: labels from 4 to 7 with 4 classes")}
EARLY = {"raises": ({"load": boom}, "data set raises cannot be read: RuntimeError: boom"),
         "nothing": ({"load": lambda *given: None}, "data set nothing cannot be read: TypeError: cannot unpack"),
         "exits": ({"load": leave}, "data set exits cannot be read: SystemExit: 3"),
         "mislabels": ({"load": lambda *given: (images(8), torch.arange(8))}, "data set mislabels, split train: labels from 0 to 7 with 4 classes"),
         "augments": ({"augment": boom}, "data set augments: augment failed: RuntimeError: boom"),
         "recipeless": ({"recipe": 7}, "data set recipeless: recipe is 7, not a benchbase.Recipe"),
         "shapeless": ({"shape": 7}, "data set shapeless cannot be read: TypeError"),
         "meanless": ({"mean": 7}, "data set meanless cannot be read: TypeError")}


@pytest.mark.parametrize("name", LATE)
def test_data_sets_that_fail_in_training(swept, tmp_path, name):
    parts, words = LATE[name]
    bad = dataset(name, **{part: make() for part, make in parts.items()})
    sweep, _ = swept({"datasets": (name, "synthetic[train=64,test=32]")}, datasets=[bad])
    [(cell, kind, what)] = sweep.failures
    assert (sweep.exit_code, kind) == (1, "infra_error") and f" {name} " in cell and what.startswith(words)
    assert [record.dataset.name for record in load_records(tmp_path / "board")] == ["synthetic"]


@pytest.mark.parametrize("name", EARLY)
def test_data_sets_that_cannot_be_read_are_named_before_anything_runs(swept, tmp_path, name):
    parts, words = EARLY[name]
    with pytest.raises(BenchError) as error:
        swept({"datasets": (name, "synthetic[train=64,test=32]")}, datasets=[dataset(name, **parts)])
    assert error.value.what.startswith(words) and error.value.todo and not (tmp_path / "board").exists()


class Executor:
    """Runs cells here, by a rule of its own."""

    name, in_process = "strange", True

    def __init__(self, rule):
        self.rule = rule

    def run(self, make, count, jobs):
        return self.rule(make(), count)


def forgets(work, count):
    yield 0, work(0)


def raises(work, count):
    yield 0, work(0)
    boom()


def exits(work, count):
    yield 0, work(0)
    leave()


def beyond(work, count):
    yield 0, work(0)
    yield 17, work(1)


def chats(work, count):
    yield 0, work(0)
    yield 1, "done"


def alone(work, count):
    yield 0, work(0)
    yield work(1)


LOSING = {forgets: "it ended without this cell", raises: "RuntimeError: boom", exits: "SystemExit: 3",
          beyond: "it gave the cell of index 17 of 2 twice, or there is none", chats: "it gave str as the result of the work",
          alone: "it gave CellReport, not (index, result of the work)"}


@pytest.mark.parametrize("rule", LOSING)
def test_executors_that_lose_a_cell(swept, tmp_path, rule):
    suite = {"methods": ("l1-norm", "random"), "protocols": (rule.__name__,)}  # a protocol of its own, so that there is something to run
    sweep, _ = swept(suite, "strange", executors=[Executor(rule)], protocols=[fresh_one(rule.__name__)])
    [(cell, kind, what)] = sweep.failures
    assert (sweep.exit_code, kind, cell.split()[0], what) == (1, "infra_error", "random", f"executor strange: {LOSING[rule]}")
    assert sweep.records == tuple(path for path in sweep.records if "l1-norm" in str(path)) and len(load_failures(tmp_path / "board")) == 1


def test_an_executor_that_gives_a_cell_twice(swept, tmp_path):
    def twice(work, count):
        yield from ((index, work(index)) for _ in range(2) for index in range(count))
    sweep, _ = swept({"protocols": ("twice",)}, "strange", executors=[Executor(twice)], protocols=[fresh_one("twice")])
    assert (sweep.done, sweep.cells, sweep.exit_code, len(sweep.records)) == (1, 1, 1, 1) and not load_failures(tmp_path / "board")
    assert sweep.failures == (("executor strange", "infra_error", "executor strange: it gave the cell of index 0 of 1 twice, or there is none"),)


def test_a_pool_that_cannot_be_opened(swept, tmp_path):
    strange = type("Strange", (), {"name": "strange", "pool": lambda self, make, room, tell: boom()})()
    sweep, _ = swept({"methods": ("l1-norm", "random"), "protocols": ("pooled",)}, "strange", executors=[strange], protocols=[fresh_one("pooled")])
    assert [what for _, _, what in sweep.failures] == ["executor strange: RuntimeError: boom"] * 2 and sweep.exit_code == 1


def fresh_one(name):
    """A protocol whose training no other one shares."""
    return Protocol(name, "fresh", lambda base, finetune, dense, pruned: replace(base, epochs=1, lr=0.001 + sum(map(ord, name)) / 1e6))


def test_observers(swept):
    def bench_sweep_begins(cells):
        boom()

    def bench_epoch_done(event):
        leave()

    def bench_stage_done(event, more=None):
        boom()
    sweep, plugins = swept({"protocols": ("observed",)}, events=(bench_sweep_begins, bench_epoch_done, bench_stage_done), protocols=[fresh_one("observed")])
    assert (sweep.exit_code, len(sweep.records)) == (0, 1)
    assert [(broken.distribution, broken.error) for broken in plugins.failed_observers] \
        == [("a-stranger", said) for said in ("RuntimeError: boom", "RuntimeError: boom", "SystemExit: 3")]


def test_budgets_and_suites_that_are_none(swept, tmp_path):
    """Each is named; what else its package offers, and everyone else's, is there."""
    files = {name: tmp_path / f"{name}.yaml" for name in ("wrong", "torn", "missing")}
    files["wrong"].write_text("a: {ratio: 5}\n")
    files["torn"].write_text("a: [\n")
    for name, words in {"wrong": "ratio", "torn": "torn.yaml, line 2: not YAML", "missing": "missing.yaml"}.items():
        sweep, plugins = swept({}, budgets=[str(files[name])], suites=[str(files["missing"])], methods=[method("sound")])
        assert sweep.exit_code == 0 and plugins.method("sound").offer.distribution == "a-stranger" and isinstance(plugins.budget("vgg16-a"), Budget)
        told = {broken.error for broken in plugins.broken if broken.distribution == "a-stranger"}
        assert len(told) == 2 and any(words in line for line in told)
