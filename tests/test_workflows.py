"""The workflows' scripts against a bare remote, and what the workflows may do."""
from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).with_name("board")))
from many import fill, sound

from benchbase.board.build import build
from benchbase.board.verify import verify

GITHUB = Path(__file__).parents[1] / ".github"
SCRIPTS = GITHUB / "scripts"
WORKFLOWS = {p.stem: yaml.safe_load(p.read_text()) for p in sorted((GITHUB / "workflows").glob("*.yml"))}


def rows(method: str, right: int = 850) -> list:
    return [sound(method=method, seed=s, right=right + s) for s in range(3)]


class Remote:
    """A bare repository with a board on main, and clones of it."""

    def __init__(self, root: Path, env: dict[str, str]) -> None:
        self.root, self.env, self.bare = root, env, root / "origin.git"
        self.git(root, "init", "-q", "--bare", "-b", "main", str(self.bare))
        first = self.clone("first")
        build(fill(first / "leaderboard", rows("l1-norm")))
        self.git(first, "checkout", "-q", "-B", "main")
        self.git(first, "add", ".")
        self.git(first, "commit", "-q", "-m", "board")
        self.git(first, "push", "-q", "origin", "main")

    def git(self, folder: Path, *arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, env=self.env).stdout.strip()

    def clone(self, name: str) -> Path:
        self.git(self.root, "clone", "-q", str(self.bare), name)
        return self.root / name

    def script(self, name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(SCRIPTS / name), *arguments], cwd=cwd, check=False, capture_output=True, text=True, env=self.env)

    def propose(self, name: str, method: str) -> Path:
        """A clone with a pull request's branch of new records, by `bench submit`."""
        clone = self.clone(name)
        fill(self.root / f"results-{name}", rows(method))
        command = ["bench", "submit", str(self.root / f"results-{name}"), "--leaderboard", "leaderboard", "--json"]
        done = subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True, env=self.env)
        self.git(clone, "switch", "-q", json.loads(done.stdout)["branch"])
        return clone

    def merge(self, clone: Path) -> None:
        """Merge the clone's branch into main of the remote, as GitHub does."""
        branch = self.git(clone, "branch", "--show-current")
        self.git(clone, "fetch", "-q", "origin", "main")
        self.git(clone, "switch", "-q", "--detach", "FETCH_HEAD")
        self.git(clone, "merge", "-q", "--no-ff", "-m", "merge", branch)
        self.git(clone, "push", "-q", "origin", "HEAD:main")
        self.git(clone, "switch", "-q", branch)

    def rebuilds(self) -> int:
        return self.git(self.bare, "log", "--format=%s", "main").splitlines().count("Tables and page, rebuilt from the records")


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    """torch cannot be imported by what the scripts run: the workflows don't install it."""
    (tmp_path / "none" / "torch").mkdir(parents=True)
    (tmp_path / "none" / "torch" / "__init__.py").write_text("raise ImportError('there is no torch here')\n")
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "a"), ("EMAIL", "a@example.org"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return Remote(tmp_path, {**os.environ, **who, "PATH": path, "PYTHONPATH": str(tmp_path / "none"), "OMP_NUM_THREADS": "1",
                             "BENCH_STORE": str(tmp_path / "store"), "GIT_CONFIG_GLOBAL": os.devnull})


def check(remote: Remote, clone: Path) -> tuple[int, str]:
    done = remote.script("check_records.sh", str(clone), "origin/main", str(remote.root / "report"), cwd=remote.root)
    return done.returncode, (remote.root / "report" / "report.md").read_text()


def test_a_good_pull_request(remote):
    clone = remote.propose("good", "thinet")
    code, report = check(remote, clone)
    assert code == 0 and report.startswith("### Records: nothing is wrong") and "| thinet | 0.5 | new, 3 |" in report and "no records" not in report


def test_a_tampered_pull_request(remote):
    clone = remote.propose("bad", "thinet")
    path = next((clone / "leaderboard").rglob("l1-norm/*.json"))
    path.write_text(path.read_text().replace('"seconds": 3.0', '"seconds": 2.0'))
    (clone / "leaderboard" / "v1" / "README.md").write_text("# thinet is first\n")
    remote.git(clone, "commit", "-q", "-am", "mine")
    code, report = check(remote, clone)
    assert code == 1 and "### Records: refused" in report and f"l1-norm/{path.name}" in report and "was changed" in report
    assert "v1/README.md" in report and "1 files that are no records change as well" in report


def test_what_a_pull_request_brings_along_is_not_run(remote):
    clone = remote.propose("evil", "thinet")
    for name in ("sitecustomize.py", "benchbase.py", "conftest.py", "click.py"):
        (clone / name).write_text(f"open({str(remote.root / 'ran')!r}, 'w')\n")
    (clone / ".gitattributes").write_text("* filter=evil\n")
    remote.git(clone, "add", ".")
    remote.git(clone, "commit", "-q", "-m", "code")
    assert check(remote, clone)[0] == 0 and not (remote.root / "ran").exists()


def test_two_merged_at_once_and_a_rebuild_pushed_once(remote):
    one, two = remote.propose("one", "thinet"), remote.propose("two", "hrank")
    assert check(remote, one)[0] == check(remote, two)[0] == 0
    remote.merge(one)
    remote.merge(two)
    clones = [remote.clone(f"job{i}") for i in range(2)]
    jobs = [subprocess.Popen([str(SCRIPTS / "rebuild.sh"), "main"], cwd=c, env=remote.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for c in clones]
    said = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    last = remote.clone("last")
    report = verify(last / "leaderboard")
    assert remote.rebuilds() == 1 and report.wrong == () and report.records == 9
    assert "thinet" in (last / "leaderboard" / "v1" / "README.md").read_text() and "hrank" in (last / "leaderboard" / "v1" / "index.html").read_text()
    assert "what the records give" in remote.script("rebuild.sh", "main", cwd=clones[0]).stdout and remote.rebuilds() == 1


def test_a_merge_while_the_rebuild_is_pushed(remote):
    one, two = remote.propose("one", "thinet"), remote.propose("two", "hrank")
    remote.merge(one)
    job = remote.clone("job")
    hook = job / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\nset -e\n[ -e merged ] && exit 0\ntouch merged\nunset GIT_DIR\n"
                    f"cd {two}\nbranch=$(git branch --show-current)\ngit fetch -q origin main\n"
                    "git switch -q --detach FETCH_HEAD\ngit merge -q --no-ff -m merge $branch\ngit push -q origin HEAD:main\n")
    hook.chmod(0o755)
    done = remote.script("rebuild.sh", "main", cwd=job)
    assert done.returncode == 0 and "once more" in done.stdout, done.stdout + done.stderr
    report = verify(remote.clone("last") / "leaderboard")
    assert report.wrong == () and report.records == 9 and remote.rebuilds() == 1


def test_a_broken_board_is_not_rebuilt(remote):
    clone = remote.propose("bad", "thinet")
    path = next((clone / "leaderboard").rglob("thinet/*.json"))
    path.write_text(path.read_text().replace('"top1": 9', '"top1": 8', 1))
    remote.git(clone, "commit", "-q", "-am", "mine")
    remote.merge(clone)
    done = remote.script("rebuild.sh", "main", cwd=remote.clone("job"))
    assert done.returncode == 1 and path.name in done.stdout and remote.rebuilds() == 0


def test_a_report_is_a_strangers_text():
    spec = importlib.util.spec_from_file_location("comment", SCRIPTS / "comment.py")
    comment = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(comment)
    hostile = "a <script>x</script> <!-- y --> @team [click](https://evil.example) ![i](http://t.example/p.png) \u202e\x1b[31m " \
        "https://e.example #12 www.e.example"
    text = comment.clean(hostile)
    assert "<" not in text and "@team" not in text and "evil.example" not in text and "t.example/p" not in text
    assert "https:" not in text and "www.e" not in text and "#12" not in text and "\u202e" not in text and "\x1b" not in text and "click" in text
    assert len(comment.clean("x" * 10**6)) == comment.MOST
    table = "| a | b |\n|---|--:|\n| l1-norm | 97.2 ± 0.1 |\n"
    assert comment.clean(table) == table


def uses(workflow: dict) -> list[str]:
    return [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_and_nothing_is_put_into_a_shell(name):
    workflow = WORKFLOWS[name]
    assert uses(workflow) and all(re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", action) for action in uses(workflow))
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 45
        for step in job["steps"]:
            assert "${{" not in step.get("run", ""), "expressions reach a shell through env only"
            for script in re.findall(r"\.github/scripts/(\S+)", step.get("run", "")):
                assert os.access(SCRIPTS / script, os.X_OK)
            if "checkout" in step.get("uses", "") and name != "board":
                assert step["with"]["persist-credentials"] is False


def test_permissions_are_the_least():
    assert {name: w["permissions"] for name, w in WORKFLOWS.items()} == {
        "records": {"contents": "read"}, "plugin": {"contents": "read"}, "board": {"contents": "write"},
        "comment": {"actions": "read", "contents": "read", "pull-requests": "write"}}
    triggers = {name: set(w[True]) for name, w in WORKFLOWS.items()}  # YAML reads `on` as true
    assert triggers == {"records": {"pull_request"}, "comment": {"workflow_run"}, "board": {"push", "workflow_dispatch"}, "plugin": {"workflow_call"}}
    assert "secrets." not in (GITHUB / "workflows" / "records.yml").read_text()


def test_a_pull_request_is_checked_by_the_code_of_its_base():
    steps = WORKFLOWS["records"]["jobs"]["verify"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    assert all(run.startswith("trusted/") for run in runs) and not any("pip" in run for run in runs)
    assert next(s for s in steps if s.get("with", {}).get("path") == "trusted")["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"


@pytest.mark.parametrize("tool, files", [("actionlint", "workflows/*.yml"), ("shellcheck", "scripts/*.sh")])
def test_linters_find_nothing(tool, files):
    found = shutil.which(tool, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([found, *map(str, sorted(GITHUB.glob(files)))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
