from __future__ import annotations

import io
import re

from rich.console import Console

from benchbase.cli import progress as module
from benchbase.cli.progress import Bars, Lines, Silent, progress
from benchbase.flow.do import Event, Running

TRAINED = Event("train", "k", False, 12.34, "finetune: l1-norm [red] 0.5")
FOUND = Event("train", "k", True, 0.0, "base")


def test_lines_tell_what_ran(capsys):
    with progress(quiet=False) as seen:
        assert type(seen) is Lines
        seen.running(Running("train", "k", "base", 0.5))
        seen.running(Running("train", "k", "base", note="goes on after epoch 3"))
        seen.done(TRAINED)
        seen.done(FOUND)
    said = capsys.readouterr()
    assert said.out == "" and re.fullmatch(r"\[ +\d+\.\d s\] train   base: goes on after epoch 3\n"
                                           r"\[ +\d+\.\d s\] train   finetune: l1-norm \[red\] 0\.5: 12\.3 s\n", said.err)


def test_quiet_says_nothing(capsys):
    with progress(quiet=True) as seen:
        assert type(seen) is Silent
        seen.done(TRAINED)
    assert capsys.readouterr() == ("", "")


def test_a_bar_for_each_running_stage(monkeypatch):
    """Two stages under way are two bars with the time left; a finished or failed one leaves no bar, a finished one its line."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr("rich.console.Console", lambda **options: screen)
    with module._bars() as bars:
        seen = Bars(bars)
        seen.running(Running("train", "a", "base"))
        seen.running(Running("train", "b", "scratch-e [x]"))
        seen.running(Running("train", "b", "scratch-e [x]", 0.5))
        assert [(t.description, t.completed) for t in bars.tasks] == [("train   base", 0.0), ("train   scratch-e [x]", 0.5)]
        bars.refresh()
        seen.running(Running("train", "b", "scratch-e [x]", 0.5, "goes on after epoch [3]"))
        seen.running(Running("train", "a", "base", 1.0))
        seen.done(Event("train", "b", False, 3.0, "scratch-e [x]"))
        assert not bars.tasks
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.file.getvalue())
    assert "scratch-e [x]" in shown and "50%" in shown and "left" in shown and "train   scratch-e [x]: 3.0 s" in shown
    assert "scratch-e [x]: goes on after epoch [3]" in shown


def test_bars_only_where_someone_looks(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    with progress(quiet=False) as seen:
        assert type(seen) is Bars
