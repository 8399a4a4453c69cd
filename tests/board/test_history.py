"""A board held against an earlier commit: nothing is removed or changed without a record that supersedes it."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from factory import failure
from many import fill, sound

from benchbase.board.build import build
from benchbase.board.verify import verify
from benchbase.errors import BenchError
from benchbase.values.record import path_of


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def board(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    board = fill(tmp_path / "leaderboard", [*(sound(seed=s, protocol=p) for s in range(3) for p in ("finetune", "scratch-e")),
                                           failure("not_applicable", method="sss", protocol="")])
    build(board)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "board")
    return board


def wrong(board: Path, ref: str = "HEAD") -> list[tuple[str, str]]:
    return [(f.file, f.reason) for f in verify(board, ref).wrong]


def at(board: Path, record) -> Path:
    return board / "v1" / path_of(record)


def test_the_same_board_and_a_larger_one_are_accepted_before_they_are_rebuilt(board):
    assert wrong(board) == []
    fill(board, [sound(seed=3, protocol=p) for p in ("finetune", "scratch-e")])
    assert wrong(board) == [] and len(wrong(board.parent / "leaderboard", "main")) == 0
    assert {f for f, _ in [(f.file, 0) for f in verify(board).wrong]} == {"v1/README.md", "v1/index.json", "v1/index.html"}


def test_tables_that_were_edited_are_refused_all_the_same(board):
    (board / "v1" / "README.md").write_text("# We are first\n")
    assert wrong(board) == [("v1/README.md", "is not what the records give")]


def test_a_record_that_is_gone_is_named(board):
    path = at(board, sound(seed=1))
    path.unlink()
    build(board)
    assert wrong(board) == [(path.relative_to(board).as_posix(), "was removed, and no record of its cell supersedes it")]


def test_a_failure_that_is_gone_is_named(board):
    path = next(board.rglob("failed/*.json"))
    path.unlink()
    path.parent.rmdir()
    path.parent.parent.rmdir()
    build(board)
    assert wrong(board) == [(path.relative_to(board).as_posix(), "was removed, and no record of its cell supersedes it")]


def test_a_change_needs_supersedes(board):
    record = sound(seed=1)
    better = sound(seed=1, right=890)
    path = at(board, record)
    text = path.read_text()
    fill(board, [better])
    build(board)
    assert better.key == record.key and wrong(board) == [(path.relative_to(board).as_posix(), "was changed, and no record of its cell supersedes it")]
    path.write_text(json.dumps({**json.loads(path.read_text()), "supersedes": record.key}))
    build(board)
    assert wrong(board) == []
    path.write_text(text.replace("\n", "\r\n"))
    build(board)
    assert wrong(board) != [], "every byte counts"


def test_attributes_of_the_repository_change_nothing(board):
    path = at(board, sound(seed=1))
    (board.parent / ".gitattributes").write_text("*.json -diff -text filter=none export-ignore\n")
    path.write_text(path.read_text().replace("K2", "K9"))
    assert [reason for _, reason in wrong(board)] == ["was changed, and no record of its cell supersedes it"]


@pytest.mark.parametrize("ref", ["nowhere", "--output=x", ""])
def test_a_commit_that_is_not_there(board, ref):
    with pytest.raises(BenchError, match="commit"):
        verify(board, ref or "HEAD^^^^^")


def test_a_board_outside_of_a_repository(tmp_path):
    board = fill(tmp_path / "alone", [sound()])
    with pytest.raises(BenchError, match="commit 'HEAD'"):
        verify(board, "HEAD")
