from __future__ import annotations

import json
import os

import pytest

from benchbase.cli.complete import EVERY
from benchbase.cli.known import known
from benchbase.plugin.manager import load_plugins
from benchbase.plugin.offers import KINDS

KEPT = "offers.json"
MINE = "from benchbase import Method, hookimpl\n{}class Mine(Method):\n    '''One.'''\n    name = 'mine-{}'\n    def select(self, net, data, budget): ...\n" \
       "@hookimpl\ndef bench_methods():\n    return [Mine]\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/benchbase"


def names(kind: str = "methods") -> list[str]:
    return [offer.name for offer in known(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_is_what_plugins_offer(kind, cache):
    offered = [offer.name for offer in load_plugins().offers(kind)]
    assert names(kind) == offered and (cache / KEPT).exists() and names(kind) == offered


def test_every_kind_is_completed():
    assert tuple(KINDS) == EVERY


def test_plugins_are_imported_once(python, cache):
    """The second process imports no plugin, and neither what reads them."""
    code = "import sys\nfrom benchbase.cli.known import known\nprint(len(known('methods')), {'pluggy', 'benchbase_plugins', 'importlib.metadata'} & set(sys.modules))"
    first, second = (python("-c", code, XDG_CACHE_HOME=str(cache.parent)).stdout.split(" ", 1) for _ in range(2))
    assert first[0] == second[0] and int(first[0]) > 7 and second[1] == "set()\n" != first[1]


def test_help_reads_plugins_sources_once(python, package, tmp_path, cache):
    """A plugin that tells of verbs is asked for them each time; where none does, none is looked at again."""
    code = "import sys\nfrom benchbase.cli.plugins import names\nprint(names(), names(telling=True), 'importlib.metadata' in sys.modules)"
    package("verbs", "from benchbase import hookimpl\n@hookimpl\ndef bench_commands(cli):\n    return []\n")
    first, second = (python("-c", code, path=tmp_path / "site-verbs", XDG_CACHE_HOME=str(cache.parent)).stdout for _ in range(2))
    assert "'verbs'" in first and "'thinet'" in first and first.endswith("['verbs'] True\n") and second == first.replace("True", "False")
    assert python("-c", code, XDG_CACHE_HOME=str(cache.parent)).stdout.endswith("[] True\n")


def test_a_plugin_that_is_installed_or_changed_is_seen(python, package, tmp_path, cache):
    """Out of new processes, as a shell asks."""
    def methods(folder):
        code = "from benchbase.cli.known import known\nprint(*(offer.name for offer in known('methods')))"
        done = python("-c", code, path=folder, XDG_CACHE_HOME=str(cache.parent))
        assert done.stderr == ""
        return [name for name in done.stdout.split() if name.startswith("mine")]
    package("known", MINE.format("", 1))
    folder = tmp_path / "site-known"
    file = folder / "known_plugin.py"
    assert methods(None) == [] and methods(folder) == ["mine-1"]
    file.write_text(MINE.format("# longer\n", 2))
    assert methods(folder) == ["mine-2"] and methods(folder) == ["mine-2"] and methods(None) == []


def test_those_to_load_are_asked_of_the_environment(monkeypatch):
    assert "thinet" in names()
    monkeypatch.setenv("BENCH_PLUGINS", "digits")
    few = names("datasets")
    monkeypatch.delenv("BENCH_PLUGINS")
    assert few != names("datasets")


@pytest.mark.parametrize("damage", ["", "{", "[]", "[" * 100_000, "null", '{"environment": 1}', "\0"])
def test_a_damaged_file_is_written_again(damage, cache):
    before = names()
    whole = json.loads((cache / KEPT).read_text())
    (cache / KEPT).write_text(damage)
    assert names() == before and json.loads((cache / KEPT).read_text()) == whole
    assert os.listdir(cache) == [KEPT]


@pytest.mark.parametrize("offers", [[["thinet"]], ["thinet"], 3, None])
def test_offers_of_another_form_are_asked_again(offers, cache):
    before = names()
    table = json.loads((cache / KEPT).read_text())
    (cache / KEPT).write_text(json.dumps({**table, "value": {**table["value"], "methods": offers}}))
    assert names() == before


def test_without_a_folder_to_keep_it_in_plugins_are_asked(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "thinet" in names()


def test_nothing_is_kept_where_plugins_cannot_be_loaded(monkeypatch, cache):
    monkeypatch.setenv("BENCH_PLUGINS", "nowhere")
    assert names() == [] and not (cache / KEPT).exists()
