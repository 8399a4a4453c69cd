from __future__ import annotations

import doctest
import io
import sys

import pytest

from benchbase.cli import output


def test_examples():
    assert doctest.testmod(output).failed == 0


def test_columns_line_up():
    assert list(output.columns([("a", "bbb", "c"), ("aaaa", "b", "")])) == ["  a     bbb  c", "  aaaa  b"] and list(output.columns([])) == []


def test_columns_are_cut_to_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := io.StringIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "20")
    assert list(output.columns([("name", "x" * 50)])) == ["  name  xxxxxxxxx..."]


class Encoded(io.StringIO):
    encoding = "ascii"

    def write(self, text):
        text.encode("ascii")
        return super().write(text)


def test_a_terminal_that_knows_no_such_character(monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream := Encoded())
    output.out("a ± b")
    assert stream.getvalue() == "a ? b\n"


def test_nan_never_gets_into_a_document(capsys):
    with pytest.raises(ValueError, match="Out of range"):
        output.print_json({"x": float("nan")})
    output.print_json({"x": 1})
    assert capsys.readouterr().out == '{\n "x": 1\n}\n'


@pytest.mark.parametrize("variables, colour", [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_on_a_terminal_unless_it_is_not_wanted(monkeypatch, variables, colour):
    from rich.text import Text

    monkeypatch.setattr(sys, "stdout", stream := io.StringIO())
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    output.print_rich(Text("red", "red"))
    assert ("\x1b[31m" in stream.getvalue()) is colour and "red" in stream.getvalue()


def test_no_colour_in_a_pipe(capsys):
    from rich.text import Text

    output.print_rich(Text("red", "red"))
    assert capsys.readouterr().out == "red\n"
