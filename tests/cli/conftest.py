from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchbase.cli import main

DATA = "synthetic[train=64,test=32]"
QUICK = ("--dataset", DATA, "--epochs", "2", "--finetune-epochs", "1", "--set", "recipe.batch_size=32", "--device", "cpu")


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


def bench(*args: str) -> Said:
    """Run `bench` in this process, as the console script does."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(args)
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in a folder of its own, with a store and a data folder there."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("store", "data"):
        monkeypatch.setenv(f"BENCH_{name.upper()}", str(tmp_path / name))
    for name in ("BENCH_PLUGINS", "COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="session", autouse=True)
def traced_once() -> Iterator[None]:
    """Commands of one test process share what they read of networks."""
    with pytest.MonkeyPatch.context() as patch:
        import benchbase.flow.run as run

        patch.setattr(run, "Tools", partial(run.Tools, traces={}))
        yield


@dataclass(frozen=True)
class Ran:
    """A finished run: its folders, what it said, and the arguments that say the same again. Tests may run more in the folders;
    kept/ holds them as they were."""

    root: Path
    said: Said
    args: tuple[str, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        return "--store", str(self.root / "store"), "--leaderboard", str(self.root / "board")


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """l1-norm on made-up images, two seeds, four protocols: 8 records."""
    root = tmp_path_factory.mktemp("ran")
    args = ("-m", "l1-norm", *QUICK, "--seeds", "0-1")
    said = bench("run", *args, *Ran(root, Said(0, "", ""), ()).folders)
    for name in ("store", "board"):
        shutil.copytree(root / name, root / "kept" / name)
    return Ran(root, said, args)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """An installed package of one plugin: its metadata and its module on the path, as pip would put them."""
    def install(name: str, code: str, distribution: str = "") -> None:
        site, called = tmp_path / f"site-{name}", distribution or f"{name}-plugins"
        info = site / f"{called.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {called}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[benchbase]\n{name} = {name}_plugin\n")
        (site / f"{name}_plugin.py").write_text(code)
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(__import__("sys").modules, f"{name}_plugin", raising=False)
    return install


def tree(folder: Path) -> dict[str, Any]:
    """Everything below a folder: path -> content of files, None for folders."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))} if folder.exists() else {}


def environment() -> dict[str, str]:
    """For a command in a process of its own."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}
