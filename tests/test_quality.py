"""Lint and types find nothing; the hooks before a commit are the same commands."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
HOOKS = {hook["id"]: hook for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"] for hook in repo["hooks"]}
PLANTED = {"lint": "import os\n", "types": "def f(x):\n    return x\n"}


def ran(verb: str, *more: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A hook's command, by this Python."""
    tool, *words = HOOKS[verb]["entry"].split()
    return subprocess.run([sys.executable, "-m", tool, *words, *more], capture_output=True, text=True, check=False, cwd=cwd)


def test_lint_finds_nothing():
    done = ran("lint", "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_fit(tmp_path):
    done = ran("types", "--cache-dir", str(tmp_path))
    assert done.returncode == 0 and "no issues found" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("verb", PLANTED)
def test_a_fault_is_found_by_the_same_settings(verb, tmp_path):
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text().replace('packages = ["benchbase"]', 'files = ["planted.py"]'))
    (tmp_path / "planted.py").write_text(PLANTED[verb])
    done = ran(verb, *(["--cache-dir", str(tmp_path / "cache")] if verb == "types" else ["--no-cache"]), cwd=tmp_path)
    assert done.returncode == 1 and "planted.py:1" in done.stdout.replace("--> ", ""), done.stdout + done.stderr


def test_the_hooks_download_nothing():
    assert set(HOOKS) == {"lint", "types"} and {hook["language"] for hook in HOOKS.values()} == {"system"}
    assert [repo["repo"] for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]] == ["local"]
