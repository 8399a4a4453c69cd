"""Entry points of really installed packages, each loaded by itself."""
from __future__ import annotations

import json

import pytest

from benchbase.errors import BenchError
from benchbase.plugin.load import load

SHOW = """
import json
from benchbase.plugin.load import load
loaded = load(None)
print(json.dumps({"plugins": [[p.name, p.distribution, p.version] for p in loaded.plugins],
                  "broken": {b.plugin: [b.distribution, b.error] for b in loaded.broken}}))
"""


def test_the_first_party_plugins_load():
    loaded = load(["benchbase"])
    assert loaded.broken == () and {"l1-norm", "thinet", "vgg", "digits", "protocols", "budgets", "executors"} <= {p.name for p in loaded.plugins}
    assert {p.distribution for p in loaded.plugins} == {"benchbase"}


def test_one_that_fails_takes_nothing_down(installed, python):
    done = python("-c", SHOW, path=installed("broken", "stranger"))
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)  # what plugins print is not there
    assert seen["broken"] == {
        "import-error": ["bench-broken", "ModuleNotFoundError: No module named 'a_library_that_nobody_has'"],
        "no-module": ["bench-broken", "ModuleNotFoundError: No module named 'broken_plugins.not_there'"], "exits": ["bench-broken", "SystemExit: 3"],
        "unknown-hook": ["bench-broken", "TypeError: unknown hook 'bench_metods', did you mean 'bench_methods'?"],
        "unmarked": ["bench-broken", "TypeError: bench_methods is not marked with @benchbase.hookimpl"]}
    names = [name for name, _, _ in seen["plugins"]]
    assert ["geometric-median", "bench-stranger", "0.3.0"] in seen["plugins"] and ["healthy", "bench-broken", "1.0"] in seen["plugins"]
    assert {"l1-norm", "vgg"} <= set(names) and names == sorted(names)


def test_only_those_asked_for_are_imported(on_path):
    on_path("broken")
    loaded = load(["healthy", "digits"])
    assert [p.name for p in loaded.plugins] == ["digits", "executors", "healthy"] and loaded.broken == ()
    assert {"import-error", "thinet"} <= set(loaded.left_out) and "healthy" not in loaded.left_out
    assert {b.plugin for b in load(["bench-broken"]).broken} == {"import-error", "no-module", "exits", "unknown-hook", "unmarked"}
    assert [p.name for p in load([]).plugins] == ["executors"]


def test_one_that_is_not_installed():
    with pytest.raises(BenchError, match="unknown plugin in BENCH_PLUGINS: 'thinnet'") as caught:
        load(["digits", "thinnet"])
    assert "'thinet'" in caught.value.todo


def test_a_hook_is_called_for_one_plugin_alone(on_path, capsys):
    on_path("broken")
    loaded = load(["benchbase", "healthy"])
    names = [p.name for p in loaded.having("bench_methods")]
    assert names == sorted(names) and {"healthy", "l1-norm", "thinet"} <= set(names) and not {"vgg", "digits", "executors"} & set(names)
    plugin = next(p for p in loaded.having("bench_methods") if p.name == "healthy")
    assert [m.name for m in loaded.call(plugin, "bench_methods")] == ["survivor"]
    said = capsys.readouterr()
    assert said.out == "" and "this must not reach stdout" in said.err
    (libraries,) = loaded.having("bench_open_model")
    assert loaded.call(libraries, "bench_open_model", name="elsewhere:x") is None
