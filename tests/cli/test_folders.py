from __future__ import annotations

from pathlib import Path

import pytest

from benchbase.cli.folders import check_run_folders, check_writable, existing, problem
from benchbase.errors import BenchError
from benchbase.flow.settings import Settings


def test_the_nearest_folder_that_is_there(here):
    assert existing(Path("a/b/c")) == here and existing(here) == here


def test_nothing_is_made_to_find_out(here):
    check_run_folders(Settings(Path("s/t"), Path("d"), Path("l/m")))
    assert list(here.iterdir()) == []


def test_a_file_in_the_way(here):
    Path("file").write_text("")
    for path in ("file", "file/x", "file/x/y"):
        assert problem(Path(path)) == f"{here / 'file'} is not a folder"
    with pytest.raises(BenchError, match="cannot write the store: .*file is not a folder"):
        check_writable("store", Path("file"), "")
    for wrong in ("store", "data", "leaderboard"):
        with pytest.raises(BenchError, match=wrong) as error:
            check_run_folders(Settings(**{name: Path("file" if name == wrong else name) for name in ("store", "data", "leaderboard")}))
        assert f"--{wrong}" in error.value.todo


def test_a_dangling_link(here):
    Path("link").symlink_to("nowhere")
    assert "is not a folder" in problem(Path("link/x"))


def test_a_folder_that_is_not_writable(nobody):
    Path("shut").mkdir(mode=0o500)
    with nobody():
        said = problem(Path("shut/x"))
    assert said == f"{Path.cwd() / 'shut'} is not writable"
