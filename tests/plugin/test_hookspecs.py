"""Every hook's docstring is an example that runs, and what it shows is what the door takes."""
from __future__ import annotations

import doctest
from types import ModuleType, SimpleNamespace

import pytest
import torch

from benchbase.errors import BenchError
from benchbase.plugin import hookspecs
from benchbase.plugin.load import opened
from benchbase.plugin.manager import Plugins
from benchbase.plugin.offers import KINDS

EXAMPLES = {test.name.rpartition(".")[2]: test for test in doctest.DocTestFinder().find(hookspecs) if ".bench_" in test.name}
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("bench_"))


def run(hook: str) -> dict[str, object]:
    """What the example of `hook` defines, when all it shows came true."""
    test = EXAMPLES[hook]
    assert test.examples, f"{hook} has no example"
    runner = doctest.DocTestRunner()
    runner.run(test, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0
    return test.globs


def offering(hook: str, function: object) -> Plugins:
    """A plugin module with that hook."""
    module = ModuleType("example")
    setattr(module, hook, function)
    return Plugins(opened([("example", "examples", "1", module)]))


def test_the_hooks_are_those_of_the_contract():
    assert HOOKS == sorted(["bench_methods", "bench_models", "bench_datasets", "bench_protocols", "bench_metrics", "bench_budgets",
                            "bench_open_model",
                            "bench_executors", "bench_commands", "bench_suites", "bench_stage_done",
                            "bench_epoch_done", "bench_sweep_begins"])
    assert {hook for hook, _ in KINDS.values()} == set(HOOKS) - {"bench_open_model", "bench_commands", "bench_stage_done", "bench_epoch_done",
                                                                 "bench_sweep_begins"}


@pytest.mark.parametrize(("kind", "name"),
                         [("methods", "every-other"), ("models", "tiny-net"), ("datasets", "stripes"), ("protocols", "scratch-half"),
                                            ("metrics", "agreement"), ("budgets", "gentle"), ("executors", "backwards"), ("suites", "quick")])
def test_the_example_is_an_offer(kind, name):
    hook = KINDS[kind][0]
    plugins = offering(hook, run(hook)[hook])
    assert [(o.name, o.plugin, o.distribution, o.version, o.source) for o in plugins.offers(kind)] == [(name, "example", "examples", "1", "")]
    assert plugins.offers(kind)[0].doc and plugins.broken == ()


def test_the_example_of_open_model_opens_models():
    plugins = offering("bench_open_model", run("bench_open_model")["bench_open_model"])
    assert plugins.model("ours:linear")(5)(torch.zeros(2, 3, 4, 4)).shape == (2, 5)


def test_the_example_of_commands_adds_a_verb():
    import click

    plugins = offering("bench_commands", run("bench_commands")["bench_commands"])
    assert [c.name for c in plugins.commands(click.Group("bench"))] == ["hello"]


def test_the_example_of_stage_done_is_told():
    globs = run("bench_stage_done")
    plugins = offering("bench_stage_done", globs["bench_stage_done"])
    plugins.stage_done(SimpleNamespace(kind="train", seconds=2.5))
    assert globs["seen"] == [("train", 2.5)]


def test_the_example_of_epoch_done_is_told():
    globs = run("bench_epoch_done")
    plugins = offering("bench_epoch_done", globs["bench_epoch_done"])
    plugins.epoch_done(SimpleNamespace(epoch=3, loss=0.5))
    assert globs["curve"] == [(3, 0.5)]


def test_the_example_of_sweep_begins_ends_a_command(tmp_path, monkeypatch):
    plugins = offering("bench_sweep_begins", run("bench_sweep_begins")["bench_sweep_begins"])
    monkeypatch.delenv("MY_LOG", raising=False)
    plugins.sweep_begins(3)
    monkeypatch.setenv("MY_LOG", str(tmp_path / "none" / "log"))
    with pytest.raises(BenchError, match="no file that can be written"):
        plugins.sweep_begins(3)
    assert plugins.broken == ()
