from __future__ import annotations

import hashlib
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from benchbase.errors import BenchError
from benchbase.flow.cells import identified, source_digest
from benchbase.plugin.files import method_in, split_file
from benchbase.plugin.load import opened
from benchbase.plugin.manager import Plugins

MINE = '''
"""Mine."""
from __future__ import annotations

from dataclasses import dataclass

from benchbase import Method, Selection


@dataclass(frozen=True)
class Mine(Method):
    """Keeps channels from `first` on."""

    first: int = 0

    name = "mine"

    def select(self, net, data, budget):
        return Selection({g.name: tuple(range(self.first, self.first + budget.keep(g))) for g in net.groups})


class Nameless(Method):
    pass


helper = 3
'''


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def plugins() -> Plugins:
    return Plugins(opened([]))


@pytest.mark.parametrize(("name", "split"), [
    ("./mine.py:Mine", ("mine.py", "Mine")), ("/a/b.py:C", ("/a/b.py", "C")), ("mine.py", ("mine.py", "")), ("mine.py:", ("mine.py", "")),
    ("a:b.py:C", ("a:b.py", "C")), ("torchvision:resnet18", None), ("thinet", None), ("mine.pyx:C", None), ("mine.py:C.D", None)])
def test_split_file(name, split):
    found = split_file(name)
    assert (found and (str(found[0]), found[1])) == split


def test_a_method_from_a_file_is_unpublished(mine):
    found = plugins().method("./mine.py:Mine[first=2]")
    assert found.value.name == "mine" and found.value.first == 2
    assert (found.offer.distribution, found.offer.version, found.offer.plugin) == (None, None, "mine.py")
    assert found.offer.source == hashlib.sha256(mine.read_bytes()).hexdigest() and found.offer.doc == "Keeps channels from `first` on."


def test_its_source_is_part_of_its_identity(mine):
    first = plugins().method("./mine.py:Mine").value
    assert source_digest(type(first)) == hashlib.sha256(mine.read_bytes()).hexdigest()
    assert type(plugins().method(f"{mine}:Mine").value) is type(first), "one content is run once"
    mine.write_text(MINE.replace("self.first + budget", "budget"))
    second = plugins().method("./mine.py:Mine").value
    assert identified(second).identity != identified(first).identity and identified(second).identity[:3] == identified(first).identity[:3]


def test_nothing_is_written_beside_it(mine):
    plugins().method("./mine.py:Mine")
    assert [p.name for p in mine.parent.iterdir()] == ["mine.py"]


def in_a_worker(text: str) -> tuple[str, str]:
    found = plugins().method(text)
    return found.offer.source, source_digest(type(found.value))


def test_workers_resolve_it_again(mine):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(in_a_worker, "./mine.py:Mine").result()
    assert there == in_a_worker("./mine.py:Mine")


@pytest.mark.parametrize(("text", "words"), [
    ("./none.py:Mine", ["there is no file", "check the path"]), ("./mine.py:Min", ["class in mine.py: 'Min'", "'Mine'"]),
    ("./mine.py", ["which method", "mine.py:Mine"]), ("./mine.py:helper", ["helper is no method", "no subclass"]),
    ("./mine.py:Nameless", ["has no name"]),
    ("./mine.py:Selection", ["no subclass"]), ("./mine.py:Mine[frist=1]", ["'frist'", "'first'"]), ("./folder.py:Mine", ["there is no file"])])
def test_what_is_wrong_with_the_name(mine, text, words):
    (mine.parent / "folder.py").mkdir()
    with pytest.raises(BenchError) as caught:
        plugins().method(text)
    assert all(word in str(caught.value) for word in words) and caught.value.kind == "usage"


@pytest.mark.parametrize(("content", "words"), [
    ("import nobody_has_this", ["ModuleNotFoundError", "nobody_has_this", "line 1"]),
    ("x = 1\nraise ValueError('one\\ntwo')", ["ValueError: one", "line 2"]),
    ("def f(:\n", ["SyntaxError", "line 1"]), ("raise SystemExit(1)", ["SystemExit"]), ("\0", ["does not run"]), ("\xff", ["does not run"])])
def test_a_file_that_does_not_run(mine, content, words):
    mine.write_bytes(content.encode("latin-1"))
    before = set(sys.modules)
    with pytest.raises(BenchError) as caught:
        method_in(mine, "Mine")
    assert all(word in caught.value.what for word in words) and "\n" not in caught.value.what and caught.value.todo
    assert not {name for name in set(sys.modules) - before if name.startswith("_bench_file")}
