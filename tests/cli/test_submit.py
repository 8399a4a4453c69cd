from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchbase.board.build import build
from benchbase.board.verify import verify

from .conftest import bench, tree

sys.path.insert(0, str(Path(__file__).parents[1] / "board"))
from many import fill, sound


def git(*arguments: str, folder: str = "repo") -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def rows(method: str, right: int = 850, **said):
    return [sound(method=method, seed=s, right=right + s, **said) for s in range(3)]


@pytest.fixture
def repo(here, monkeypatch) -> Path:
    """A repository with a leaderboard, and results that it does not have."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")
    Path("repo").mkdir()
    git("init", "-q", "-b", "main")
    build(fill(Path("repo/leaderboard"), rows("l1-norm")))
    git("add", ".")
    git("commit", "-q", "-m", "board")
    fill(Path("results"), [*rows("l1-norm"), *rows("thinet", 860)])
    return Path("repo")


def submit(*more: str):
    return bench("submit", "results", "--leaderboard", "repo/leaderboard", *more)


def state() -> tuple[str, str, str, dict]:
    return git("branch", "--list"), git("worktree", "list"), git("status", "--porcelain"), tree(Path("repo/leaderboard"))


def test_new_records_are_committed_on_a_branch_and_nothing_else_changes(repo):
    before = tree(Path("repo/leaderboard"))
    said = submit("--json")
    document = json.loads(said.out)
    assert said.code == 0 and len(document["files"]) == 3 and "| new, 3 |" in document["table"] and "on the front; above l1-norm" in document["table"]
    assert git("branch", "--show-current") == "main" and git("status", "--porcelain") == "" and tree(Path("repo/leaderboard")) == before
    assert git("diff", "--name-only", "main", document["branch"]).splitlines() == sorted(f"leaderboard/{f}" for f in document["files"])
    assert "thinet" in git("log", "-1", "--format=%s", document["branch"]) and git("worktree", "list").count("\n") == 0
    git("switch", "-q", document["branch"])
    assert verify("repo/leaderboard", "main").wrong == ()


def test_a_dry_run_leaves_nothing_behind(repo):
    before = state()
    said = submit("--dry-run")
    assert said.code == 0 and "would be committed" in said.out and "| new, 3 |" in said.out and state() == before


def test_the_same_cell_of_someone_else_is_a_reproduction(repo):
    other = json.loads(next(Path("results").rglob("l1-norm/*.json")).read_text())
    path = next(Path("results").rglob(f"{other['key']}.json"))
    path.write_text(json.dumps({**other, "started": "2025-06-06T00:00:00Z", "device": {"type": "cpu", "name": "other"}}))
    files = json.loads(submit("--json").out)["files"]
    assert f"v1/records/digits/vgg-digits/l1-norm/{other['key']}.1.json" in files and len(files) == 4


def test_a_tampered_record_is_refused(repo):
    path = next(Path("results").rglob("thinet/*.json"))
    path.write_text(path.read_text().replace('"top1": 9', '"top1": 8', 1))
    before = state()
    said = submit()
    assert said.code == 1 and path.name in said.out and "nothing was committed" in said.out and state() == before


def test_methods_out_of_a_file_are_refused(repo):
    fill(Path("results"), rows("mine", method__distribution=None, method__source="a" * 64))
    before = state()
    said = submit("--json")
    assert said.code == 1 and "not published" in json.loads(said.out)["findings"][0]["reason"] and state() == before


def test_findings_that_say_the_same_are_said_once(repo):
    fill(Path("results"), [*rows("mine", method__distribution=None, method__source="a" * 64), *rows("yours", 840, method__distribution=None, method__source="b" * 64)])
    said = submit()
    first, second = (line for line in said.out.splitlines() if ".json" in line)
    assert said.code == 1 and first.endswith(".json and 2 more files beside it") and "/mine/" in first and "/yours/" in second
    assert said.out.count("not published") == 2 and "refused: 6 findings" in said.out and len(json.loads(submit("--json").out)["findings"]) == 6


def test_what_contradicts_the_board_is_refused(repo):
    shutil.rmtree("results")
    fill(Path("results"), rows("thinet", unpruned__top1=10.0))
    before = state()
    said = submit()
    assert said.code == 1 and "the base" in said.out and state() == before


def test_a_step_that_fails_is_undone(repo):
    hook = Path("repo/.git/hooks/pre-commit")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    before = state()
    said = submit()
    assert said.code == 2 and "cannot commit: no" in said.lines[0] and state() == before


def test_what_was_submitted_already(repo):
    name = json.loads(submit("--json").out)["branch"]
    again = submit()
    assert again.code == 2 and name in again.lines[0] and name in git("branch", "--list"), "the first one's branch stays"
    git("merge", "-q", name)
    assert "has all records" in submit().lines[0]


@pytest.mark.parametrize("arguments", [("nowhere",), ("results", "--leaderboard", "nowhere"), ("results", "--leaderboard", "results"),
                                       ("results", "--leaderboard", "repo/leaderboard", "--base", "nowhere")])
def test_what_is_not_there(repo, arguments):
    said = bench("submit", *arguments)
    assert (said.code, len(said.lines)) == (2, 2)


def test_without_a_name_for_git_a_dry_run_works_and_says_nothing_of_anyone(repo, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{name}_NAME")
        monkeypatch.delenv(f"GIT_{name}_EMAIL")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git("config", "user.useConfigOnly", "true")
    assert submit("--dry-run").code == 0
    said = submit()
    assert said.code == 2 and "cannot commit" in said.lines[0] and "user.name NAME" in said.lines[1]


@pytest.mark.parametrize(("steps", "why"), [
    ([], "is in no git repository"), ([["init", "-q"]], "has no commit"),
    ([["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "package"]], "has no leaderboard there at HEAD")])
def test_before_there_is_a_clone_a_dry_run_checks_the_records_and_says_what_is_left(repo, steps, why, monkeypatch):
    Path("mine").mkdir()
    shutil.move("results", "mine/leaderboard")
    for step in steps:
        git(*step, folder="mine")
    monkeypatch.chdir("mine")
    before, said, real = tree(Path()), bench("submit", "--dry-run"), bench("submit")
    document = json.loads(bench("submit", "--dry-run", "--json").out)
    assert tree(Path()) == before
    assert said.code == 0 and "| new, 3 |" in said.out and "nothing is wrong with 6 files" in said.out and why in said.out and "clone the" in said.out
    assert (real.code, real.out, len(real.lines)) == (2, "", 2) and why in real.lines[0] and "--leaderboard CLONE" in real.lines[1]
    assert len(document["files"]) == 6 and why in document["left"][0] and document["branch"] is None


def test_in_a_clone_the_folder_need_not_be_named(repo, monkeypatch):
    shutil.copytree("results", "repo/leaderboard", dirs_exist_ok=True)
    monkeypatch.chdir("repo")
    said = bench("submit", "--dry-run")
    assert said.code == 0 and "3 files would be committed" in said.out
