"""What a leaderboard needs of git, by its command: files of a commit, without looking at attributes, filters or hooks."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchbase.errors import BenchError

QUIET = ("-c", "core.quotePath=false", "-c", "core.fsmonitor=false")


def git(folder: Path, *arguments: str, what: str = "", todo: str = "", input: bytes | None = None) -> bytes:  # noqa: A002 -- as subprocess calls it
    """The output of a git command in `folder`. BenchError with the first line that git says where it fails."""
    try:
        done = subprocess.run(["git", *QUIET, "-C", str(folder), *arguments], capture_output=True, check=False, input=input,
                              env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"})
    except FileNotFoundError:
        raise BenchError("git is not installed", "install git") from None
    if done.returncode:
        said = (done.stderr.decode(errors="replace").strip().splitlines() or [f"git {arguments[0]} failed"])[0]
        raise BenchError(f"{what or f'git {arguments[0]}'}: {said.removeprefix('fatal: ')}", todo or "look at the repository with `git status`")
    return done.stdout


def in_repository(folder: Path) -> bool:
    """Whether `folder` is in the working tree of a repository."""
    return _works(folder, "rev-parse", "--show-toplevel")


def has_commit(folder: Path) -> bool:
    """Whether the repository of `folder` has any commit on its branch."""
    return _works(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")


def commit_of(folder: Path, ref: str) -> str:
    """The commit that a name means. BenchError for one that is not there, and where `folder` is in no repository."""
    if ref.startswith("-"):
        raise BenchError(f"{ref!r} is no commit", "name a branch, a tag or a commit")
    found = git(folder, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}", what=f"no commit {ref!r} in the repository of {folder}",
                todo="name a branch, a tag or a commit that is there; fetch it first in a shallow clone")
    return found.decode().strip()


def _works(folder: Path, *arguments: str) -> bool:
    try:
        git(folder, *arguments)
    except BenchError:
        return False
    return True


def blobs(folder: Path, commit: str) -> dict[str, str]:
    """Path, from `folder` on -> object id, of every file below `folder` in a commit."""
    listed = git(folder, "ls-tree", "-r", "-z", commit)
    found = {}
    for line in listed.split(b"\0"):
        if line:
            about, _, name = line.partition(b"\t")
            found[name.decode("utf-8", "surrogateescape")] = about.split()[2].decode()
    return found


def contents(folder: Path, ids: list[str]) -> list[bytes]:
    """The bytes of objects, by their ids."""
    out = git(folder, "cat-file", "--batch", input="".join(f"{i}\n" for i in ids).encode())
    found, at = [], 0
    for _ in ids:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        found.append(out[end + 1:end + 1 + size])
        at = end + 2 + size
    return found
