"""plugins/README.md: its code runs and passes the checks that it explains, every check has its paragraph, its commands are there."""
from __future__ import annotations

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
from benchbase.plugin.load import opened
from benchbase.plugin.manager import Plugins

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
    assert [m[1] for m in OFFERED.values()] == ["bench_methods", "bench_models", "bench_datasets", "bench_protocols"] and len(BLOCKS) == 5


@pytest.mark.parametrize("index", OFFERED)
def test_each_passes_the_checks(index, tmp_path):
    name = f"block-{index}"
    plugins = Plugins(opened([(name, f"bench-{name}", "1.0", ran(index))]))
    found = [str(f) for c in walk.cases(plugins, [name], tmp_path) for f in walk.run(c).findings]
    assert not found and not plugins.broken, "\n".join(found)


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
