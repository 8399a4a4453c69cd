"""Files whole or not at all, whenever whoever writes them is killed; what that leaves goes, and nothing else."""
from __future__ import annotations

import os
import time

import pytest
from sweeps import killed_before

from benchbase.values.written import DEAD, remove_asides, write_text


def aged(folder):
    """Everything below the folder as it is an hour later."""
    then = time.time() - DEAD - 1
    for path in folder.rglob("*"):
        os.utime(path, (then, then))


@pytest.mark.parametrize("fresh", [False, True])
def test_whole_or_not_at_all(tmp_path, fresh):
    for before in range(1, 20):
        path = tmp_path / str(before) / "board.json"
        path.parent.mkdir()
        if not fresh:
            path.write_text("old")
        killed = killed_before(before, path.parent, write_text, path, "new", fresh)
        said = path.read_text() if path.exists() else None
        assert said in ((None, "new") if fresh else ("old", "new"))
        if not killed:
            break
        if said != "new":
            write_text(path, "new", fresh)
        aged(path.parent)
        remove_asides(tmp_path)
        assert path.read_text() == "new" and list(path.parent.iterdir()) == [path]
    assert said == "new" and list(path.parent.iterdir()) == [path] and before > 2


def test_only_what_is_old_and_ours_is_removed(tmp_path):
    (tmp_path / "there").mkdir()
    for name in (".a.json.abcd_123.part", "there/.b.abcdefgh.part", ".mine.part", "a.abcdefgh.part", ".c.abcdefgh.json"):
        (tmp_path / name).write_text("x")
    aged(tmp_path)
    (tmp_path / ".young.abcdefgh.part").write_text("x")
    remove_asides(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"there", ".mine.part", "a.abcdefgh.part", ".c.abcdefgh.json", ".young.abcdefgh.part"}
