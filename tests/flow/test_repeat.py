from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "board"))
from many import renamed, sound

from benchbase.errors import BenchError
from benchbase.flow.repeat import named, suite_for
from benchbase.plugin.manager import load_plugins
from benchbase.plugin.names import params_of


@pytest.mark.parametrize("text", ["thinet[images=64,refit=false]", "network-slimming", "random"])
def test_the_suite_asks_for_the_same_method(text):
    plugins = load_plugins()
    method = plugins.method(text).value
    record = sound(method=method.name, method__params=json.loads(json.dumps(params_of(method))))
    suite = suite_for(record)
    assert plugins.method(suite.methods[0]).value == method
    assert (suite.models, suite.protocols, suite.seeds, suite.budgets) == ((record.model,), (record.protocol,), (record.seed,), (record.budget,))
    assert (suite.recipe, suite.finetune) == (record.recipe, record.finetune_recipe)


def test_a_folder_of_images_takes_the_records_name():
    record = sound(dataset="birds")
    assert suite_for(record, "imagefolder:photos[size=32]").datasets == ("imagefolder:photos[size=32,name=birds]",)
    assert named("synthetic[train=64]", "synthetic") == "synthetic[train=64]" and suite_for(record).datasets == ("birds",)


def test_a_method_of_no_package_must_be_given():
    record = renamed(sound(), method={"name": "mine", "version": 1, "params": {}, "distribution": None, "source": "a" * 64})
    with pytest.raises(BenchError, match="out of a file"):
        suite_for(record)
    assert suite_for(record, method="./mine.py:Mine").methods == ("./mine.py:Mine",)
