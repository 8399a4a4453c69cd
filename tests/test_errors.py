from __future__ import annotations

import json

import pytest

from benchbase.errors import BenchError, raised


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


@pytest.mark.parametrize(("error", "line"), [
    (ValueError("one\ntwo"), "ValueError: one"), (KeyError(), "KeyError"), (BenchError("what", "todo"), "BenchError: what"),
    (SystemExit(2), "SystemExit: 2"), (Mute(), "Mute"), (RuntimeError("\n  late\n"), "RuntimeError: late"),
    (json.JSONDecodeError("bad", "x", 0), "JSONDecodeError: bad: line 1 column 1 (char 0)"),
    (OSError(2, "gone", "/a.b.c"), "FileNotFoundError: [Errno 2] gone: '/a.b.c'")])
def test_an_error_in_one_line(error, line):
    assert raised(error) == line
