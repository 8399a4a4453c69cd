"""Control codes in names, messages and files of others reach no terminal, whatever prints them."""
from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from .conftest import QUICK, bench

EVIL = "\x1b]0;owned\x07\x1b[31mred\u202e"
METHOD = """
from dataclasses import dataclass
from typing import ClassVar
from benchbase import Method, Selection

@dataclass(frozen=True)
class Red(Method):
    {evil!r}
    name: ClassVar[str] = {name!r}
    granularity: ClassVar[str] = "channel"
    target: ClassVar[str] = "predefined"

    def select(self, net, data, budget):
        raise RuntimeError({evil!r})
"""


def harmless(said):
    text = said.out + said.err
    return all(c.isprintable() or c in "\n\t" for c in text) and text


@pytest.mark.parametrize("words", [("run", "-m", EVIL), ("run", EVIL), ("run", "-m", "l1-norm", "--budget", EVIL), ("run", f"{EVIL}.yaml"),
                                   ("run", "-m", "l1-norm", "--dataset", f"imagefolder:{EVIL}"), ("run", f"--{EVIL}"), (EVIL,), ("show", EVIL),
                                   ("leaderboard", "show", EVIL), ("run", "-m", "l1-norm", "--device", EVIL), ("run", "-m", "l1-norm", "--set", EVIL)])
def test_what_was_typed(words):
    said = bench(*words)
    assert said.code == 2 and len(said.lines) == 2 and harmless(said)


def test_a_suite_and_what_its_keys_are_called(here):
    Path("suite.yaml").write_text(json.dumps({f"key {EVIL}": 1}))
    assert harmless(bench("run", "suite.yaml"))
    Path("suite.yaml").write_text(json.dumps({"methods": [EVIL]}))
    assert harmless(bench("run", "suite.yaml"))


def test_a_method_whose_name_is_an_escape(here):
    """Refused where it is loaded: no folder, record or table can be named by it."""
    Path("mine.py").write_text(METHOD.format(name=EVIL, evil=EVIL))
    said = bench("run", "-m", "./mine.py:Red", *QUICK)
    assert said.code == 2 and len(said.lines) == 2 and "names are at most 100 letters" in harmless(said) and not Path("leaderboard").exists()


def test_a_method_whose_error_is_an_escape(here, ran, tmp_path):
    Path("mine.py").write_text(METHOD.format(name="red", evil=EVIL))
    shutil.copytree(ran.root / "kept" / "store", tmp_path / "own")
    said = bench("run", "-m", "./mine.py:Red", *QUICK, "--seeds", "0", "--store", str(tmp_path / "own"))
    assert said.code == 1 and "red" in harmless(said)
    (failed,) = Path("leaderboard").rglob("failed/*.json")
    assert "owned" in json.loads(failed.read_text())["message"]
    for words in (("show",), ("show", "--json"), ("build",)):
        assert "red" in harmless(bench("leaderboard", *words)) or words == ("build",)
    assert "\x1b" not in Path("leaderboard/v1/README.md").read_text()


def test_a_record_that_a_stranger_wrote(here, ran):
    """An escape in a name is no record; one in the message of a failure is shown spelt out or left out."""
    shutil.copytree(ran.root / "kept" / "board", "leaderboard")
    file = sorted(Path("leaderboard").rglob("*.json"))[0]
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "model": EVIL}))
    for words in (("leaderboard", "show"), ("leaderboard", "build")):
        said = bench(*words)
        assert said.code == 2 and "control characters" in harmless(said)


def test_a_file_called_by_an_escape(here, ran):
    shutil.copytree(ran.root / "kept" / "board", "leaderboard")
    sorted(Path("leaderboard").rglob("*.json"))[0].with_name(f"{EVIL}.json").write_text("{}")
    assert harmless(bench("leaderboard", "show"))


def test_a_live_bar(monkeypatch):
    from rich.console import Console

    from benchbase.cli import progress as module
    from benchbase.flow.do import Event, Running

    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr("rich.console.Console", lambda **options: screen)
    monkeypatch.setattr(sys, "stderr", screen.file)
    with module._bars() as bars:
        seen = module.Bars(bars)
        seen.running(Running("train", "a", EVIL))
        bars.refresh()
        seen.done(Event("train", "a", False, 1.0, EVIL))
    assert "\x1b]0;" not in screen.file.getvalue() and "\x07" not in screen.file.getvalue() and "\\x1b]0;owned" in screen.file.getvalue()
