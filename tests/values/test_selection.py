from __future__ import annotations

from benchbase.values.selection import Selection


def test_nothing_said_keeps_everything():
    assert Selection() == Selection({}, {}, (), {}) and Selection({"a": (0, 1)}) != Selection({"a": (0,)})
