"""plugins/README.md: its code runs and passes the checks that it explains, every check has its paragraph, its commands are there."""
from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

import benchbase
from benchbase.cli.app import VERBS
from benchbase.conformance import package, walk
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.plugin.load import opened
from benchbase.plugin.manager import Plugins
from benchbase.values.spec import Suite

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def ran(index: int) -> ModuleType:
    """A block of the text, run as a module."""
    module = ModuleType(f"plugins_readme_{index}")
    sys.modules[module.__name__] = module
    exec(compile(BLOCKS[index], f"plugins/README.md, block {index}", "exec"), module.__dict__)
    return module


OFFERED = {i: hook for i, block in enumerate(BLOCKS) if (hook := re.search(r"^def (bench_\w+)", block, re.MULTILINE))}


def test_the_blocks_are_a_plugin_of_each_kind_and_a_callback():
    assert [m[1] for m in OFFERED.values()] == ["bench_methods", "bench_models", "bench_datasets", "bench_protocols",
                                                "bench_sweep_begins"] and len(BLOCKS) == 6


@pytest.mark.parametrize("index", OFFERED)
def test_each_passes_the_checks(index, tmp_path):
    name = f"block-{index}"
    plugins = Plugins(opened([(name, f"bench-{name}", "1.0", ran(index))]))
    found = [str(f) for c in walk.cases(plugins, [name], tmp_path) for f in walk.run(c).findings]
    assert not found and not plugins.broken, "\n".join(found)


def test_the_observer_writes_what_it_says_and_only_where_it_is_told(tmp_path, monkeypatch):
    (index,) = [i for i, hook in OFFERED.items() if hook[1] == "bench_sweep_begins"]
    ours = [import_module(name) for name in ("benchbase.flow.executors", *(f"benchbase_plugins.{part}" for part in (
        "datasets.synthetic", "methods.l1_norm", "models.vgg", "protocols.paper")))]
    plugins = Plugins(opened([(module.__name__, "bench", "1.0", module) for module in (*ours, ran(index))]))
    here = Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu")
    suite = Suite(methods=("l1-norm",), datasets=("synthetic[train=64,test=32]",), protocols=("one-shot", "scratch-e"), seeds=(0,),
                  recipe={"epochs": 2, "batch_size": 32})
    log = tmp_path / "log.jsonl"
    monkeypatch.setenv("MY_LOG", str(log))
    run_suite(suite, here, plugins)
    first, *lines = map(json.loads, log.read_text().splitlines())
    trained = [(line["epoch"], line["of"]) for line in lines if "training" in line]
    results = {line["network"]: line for line in lines if "network" in line}
    assert first == {"cells": 1} and trained == [(1, 2), (2, 2)] * 2 and len(results) == 4
    assert all(0 <= line["top1"] <= 100 and line["loss"] > 0 and line["cached"] is False for line in results.values())
    monkeypatch.setenv("MY_LOG", str(tmp_path))
    with pytest.raises(benchbase.BenchError, match="MY_LOG cannot be written"):
        run_suite(suite, here, plugins)
    monkeypatch.delenv("MY_LOG")
    assert run_suite(suite, here, plugins).trained == 0 and not plugins.failed_observers


def test_the_callback_shrinks_what_it_says():
    (index,) = [i for i in range(len(BLOCKS)) if i not in OFFERED]
    shrink = ran(index).Shrink(0.5)
    conv = torch.nn.Conv2d(1, 2, 3)
    conv.weight.grad, conv.bias.grad = torch.zeros_like(conv.weight), torch.zeros_like(conv.bias)
    shrink.after_backward(conv)
    assert isinstance(shrink, benchbase.Callback) and torch.equal(conv.weight.grad, 0.5 * conv.weight.detach().sign()) and not conv.bias.grad.any()


def test_every_check_has_a_paragraph_and_every_paragraph_a_check():
    checks = {name for name, _ in package.CHECKS} | {name for kind in walk.CHECKED for name, _ in import_module(f"benchbase.conformance.{kind}").CHECKS}
    paragraphs = re.findall(r"^### ([a-z-]+)\n(.+)", TEXT, re.MULTILINE)
    assert {name for name, _ in paragraphs} == checks and len(paragraphs) == len(checks)


def test_what_it_names_is_there():
    files = set(re.findall(r"`((?:cli|flow|nets|training|board|plugin)/\w+\.py)`", TEXT)) | {"plugin/hookspecs.py"}
    assert len(files) > 12 and all((ROOT / "benchbase" / file).is_file() for file in files)
    assert {verb for verb in re.findall(r"bench ([a-z]+)(?= |`)", TEXT)} <= set(VERBS)
