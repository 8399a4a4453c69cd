from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import bench


@pytest.fixture
def board(ran, here):
    shutil.copytree(ran.root / "kept" / "board", "leaderboard")
    return Path("leaderboard")


def test_what_run_wrote_is_accepted_and_recounted(board):
    assert bench("leaderboard", "build").code == 0
    said = bench("leaderboard", "verify", "--recount", "-q")
    assert (said.code, said.err) == (0, "") and said.out == "8 records, 0 reproductions, 0 failed cells: nothing is wrong\n"


def test_exit_code_and_three_lines_a_finding(board):
    path = sorted(board.rglob("*.json"))[0]
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 5').replace('"seed": 1', '"seed": 5'))
    said = bench("leaderboard", "verify")
    file, reason, todo = said.out.splitlines()[:3]
    assert said.code == 1 and file == path.relative_to("leaderboard").as_posix() and "key" in reason and "bench run" in todo
    document = json.loads(bench("leaderboard", "verify", "--json").out)
    assert document["ok"] is False and document["findings"][0] == {"file": file, "reason": reason.strip(), "todo": todo.strip(), "level": "wrong"}


def test_recount_refuses_other_counts_and_cannot_tell_of_absent_plugins(board):
    changed, absent = sorted(board.rglob("*.json"))[:2]
    data = json.loads(changed.read_text())
    for name in ("params", "nonzero"):
        data["metrics"][name] -= 1
    changed.write_text(json.dumps(data))
    data = json.loads(absent.read_text())
    data["architecture"]["model"] = "nets-of-nobody"
    absent.write_text(json.dumps(data))
    findings = json.loads(bench("leaderboard", "verify", "--recount", "--json", "-q").out)["findings"]
    assert any(f["file"].endswith(changed.name) and "the network has" in f["reason"] and f["level"] == "wrong" for f in findings)
    assert any(f["file"].endswith(absent.name) and f["reason"].startswith("unverifiable") and f["level"] == "note" for f in findings)


def test_against_a_commit(board):
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments], check=True, capture_output=True)
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "board")
    assert bench("leaderboard", "verify", "--against", "HEAD").code == 0
    assert bench("leaderboard", "changes", "--against", "HEAD").out == "No row changes.\n"
    sorted(board.rglob("*.json"))[0].unlink()
    said = bench("leaderboard", "verify", "--against", "HEAD")
    assert said.code == 1 and "was removed" in said.out
    assert "| l1-norm | 0.5 | -1 |" in bench("leaderboard", "changes", "--against", "HEAD").out
    (version,) = json.loads(bench("leaderboard", "changes", "--against", "HEAD", "--json").out)["versions"]
    assert (version["version"], version["rows"]) == ("v1", 1) and "| l1-norm | 0.5 | -1 |" in version["table"]


@pytest.mark.parametrize("arguments", [("nowhere",), ("leaderboard", "--against", "nowhere"), ("leaderboard", "--agianst", "HEAD")])
def test_what_is_not_there(board, arguments):
    said = bench("leaderboard", "verify", *arguments)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2)
