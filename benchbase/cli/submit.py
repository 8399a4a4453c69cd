"""`bench submit`: records of a run, checked and committed on a branch of the leaderboard's repository."""
from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import count, out, print_json
from benchbase.errors import BenchError

if TYPE_CHECKING:
    from benchbase.board.finding import Finding
    from benchbase.board.submission import Copy
    from benchbase.board.verify import Report

CLONE = "clone the leaderboard's repository, and name its folder: --leaderboard CLONE/leaderboard"
NAMELESS = "see that git knows your name: git config --global user.name NAME, and user.email"
NOBODY = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")  # what a dry run commits as


@click.command("submit")
@click.argument("folder", required=False, default="leaderboard", metavar="[DIR]", shell_complete=complete.folders)
@click.option("--leaderboard", default="leaderboard", show_default=True, metavar="REPO/leaderboard", shell_complete=complete.folders,
              help="The leaderboard, in a clone of its repository.")
@click.option("--base", default="HEAD", show_default=True, metavar="GITREF", help="The commit that the branch starts from.")
@click.option("--dry-run", is_flag=True, help="Do all of it, print the table, and leave nothing behind. Outside a clone: check the records.")
@json_option
@traceback_option
def command(folder: str, leaderboard: str, base: str, dry_run: bool, as_json: bool) -> int:
    """Check the records in DIR (default: ./leaderboard), which `bench run --leaderboard DIR` wrote, commit those that are new on a branch of the
    leaderboard's repository, and print the table for the pull request: new rows, ranks that move, what stands above a row at no more multiply-adds.

    Before there is a clone, `bench submit --dry-run` says whether the records could be submitted as they are, and what is left to do. To
    submit them, clone the repository of the leaderboard that they are for, and name its folder: --leaderboard CLONE/leaderboard.

    Your working tree and your branch stay as they are. Where a check or a step fails, nothing is left behind. Methods must be published:
    those that were run from a file are refused. Failed cells go with the records. Tables are rebuilt after the merge.

    \b
    Exit codes: 0 committed, 1 something is wrong with the records, 2 the command was.

    \b
    Examples:
      bench submit --dry-run
      bench submit results/ --leaderboard benchbase/leaderboard
    """
    from benchbase.board.submission import copies, unpublished
    from benchbase.board.verify import verify

    report, board = verify(folder, tables=False), Path(leaderboard)
    wrong = [*report.wrong, *unpublished(report.items)]
    if wrong:
        return refused(wrong, as_json)
    if dry_run and (why := homeless(board, base)):
        return alone(folder, report, why, as_json)
    with branch(board, base, dry_run) as (there, start, commit):
        from benchbase.board.build import load
        from benchbase.board.changes import changes, to_markdown
        from benchbase.board.history import tables_at

        found = copies(report.items, there)
        if not found:
            raise BenchError(f"the leaderboard has all records of {folder}", "there is nothing to submit")
        before = [table for version in sorted({c.target.partition("/")[0] for c in found}) for table in tables_at(there / version, start)]
        write(found, there)
        after: Report = verify(there, start)
        if after.wrong:
            return refused(after.wrong, as_json)
        text = to_markdown(changes(before, load(there)))
        name = commit(found)
    if as_json:
        print_json({"branch": None if dry_run else name, "files": [c.target for c in found], "table": text})
        return 0
    out(text)
    out()
    out(f"{count(len(found), 'file')} would be committed" if dry_run else f"{count(len(found), 'file')} committed on the branch {name}")
    if not dry_run:
        out(f"git push -u origin {name}, and open a pull request with the table above")
    return 0


def homeless(board: Path, base: str) -> str:
    """Why nothing can be submitted to `board`, or "": it is no folder, in no repository, or in one that does not have it at `base`."""
    from benchbase.board.git import blobs, commit_of, has_commit, in_repository

    if not board.is_dir():
        return f"there is no leaderboard at {board}"
    if not in_repository(board):
        return f"{board} is in no git repository"
    if base == "HEAD" and not has_commit(board):
        return f"the repository of {board} has no commit"
    return "" if blobs(board, commit_of(board, base)) else f"the repository of {board} has no leaderboard there at {base}"


def alone(folder: str, report: Report, why: str, as_json: bool) -> int:
    """What a dry run says of records that have nowhere to go yet: the rows that they make, and what is left to do."""
    from benchbase.board.build import load
    from benchbase.board.changes import changes, to_markdown

    text = to_markdown(changes([], load(folder)))
    files = [item.file for item in report.items]
    if as_json:
        print_json({"branch": None, "files": files, "table": text, "left": [why, CLONE]})
        return 0
    out(text)
    out()
    out(f"nothing is wrong with {count(len(files), 'file')}; compared with no leaderboard, because {why}")
    out(f"to submit: {CLONE}")
    return 0


@contextmanager
def branch(board: Path, base: str, dry_run: bool) -> Iterator[tuple[Path, str, Callable[[Sequence[Copy]], str]]]:
    """(the leaderboard in a working tree of its own, the commit it starts from, what commits files there on a branch and names it).

    The working tree is removed at the end. The branch stays only where all went well and it is no dry run.
    """
    from benchbase.board.git import commit_of, git
    from benchbase.board.submission import branch_of, message_of

    if why := homeless(board, base):
        raise BenchError(f"nothing to submit to: {why}", CLONE)
    start = commit_of(board, base)
    prefix = git(board, "rev-parse", "--show-prefix").decode().strip()
    made: list[str] = []

    with tempfile.TemporaryDirectory() as aside:
        tree = Path(aside) / "tree"

        def commit(found: Sequence[Copy]) -> str:
            name = branch_of(found)
            git(tree, "switch", "--quiet", "-c", name, what=f"cannot make the branch {name}", todo=f"it may be there already: git branch -D {name}")
            made.append(name)
            git(tree, "add", "--force", "--", *(f"{prefix}{c.target}" for c in found))
            git(tree, *(NOBODY if dry_run else ()), "commit", "--quiet", "-m", message_of(found), what="cannot commit", todo=NAMELESS)
            return name

        kept = False
        try:
            git(board, "worktree", "add", "--quiet", "--detach", str(tree), start, what="cannot make a working tree")
            yield tree / prefix, start, commit
            kept = not dry_run
        finally:
            if tree.exists():
                git(board, "worktree", "remove", "--force", str(tree))
            git(board, "worktree", "prune")
            for name in made if not kept else []:
                git(board, "branch", "-D", name)


def write(found: Sequence[Copy], board: Path) -> None:
    """Put the files where they go."""
    from benchbase.values.written import write_text

    for copy in found:
        write_text(board / copy.target, copy.item.raw.decode(), fresh=True)


def refused(wrong: Sequence[Finding], as_json: bool) -> int:
    """Say what is wrong with the records: exit code 1."""
    from benchbase.cli.verify import block

    if as_json:
        print_json({"branch": None, "findings": [{"file": f.file, "reason": f.reason, "todo": f.todo} for f in wrong]})
        return 1
    for finding, more in alike(wrong):
        out(block(replace(finding, file=finding.file + (f" and {count(more, 'more file')} beside it" if more else ""))))
    out(f"refused: {count(len(wrong), 'finding')}; nothing was committed")
    return 1


def alike(wrong: Sequence[Finding]) -> Iterator[tuple[Finding, int]]:
    """The first of the findings that say the same of files of one folder, and how many more do."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in wrong:
        groups.setdefault((finding.file.rpartition("/")[0], finding.reason, finding.todo, finding.level), []).append(finding)
    for same in groups.values():
        yield same[0], len(same) - 1
