from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from forking import bench_in
from hypothesis import HealthCheck, settings

PACKAGES = Path(__file__).with_name("packages")
LONG = ("campaigns/test_networks.py", "plugins/methods/test_cifar_networks.py", "flow/test_together.py", "plugins/executors/test_on_ray.py",
        "campaigns/test_crash.py", "campaigns/test_fuzz.py", "nets/test_export.py", "nets/test_breadth.py", "conformance/test_walk.py",
        "test_new_plugin.py", "plugins/methods/test_network_slimming.py", "test_workflows.py", "plugins/methods/test_sss.py",
        "board/page/test_browser.py", "flow/test_sweep.py", "test_quality.py", "flow/test_failing.py")


settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # speed is for benchmarks/speed, where nothing else runs
settings.load_profile("shared")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Folders are tested in one process more than there are cores, since some tests wait, four at most; files that are named, in this one, so that they
    begin at once."""
    named = all(argument.partition("::")[0].endswith(".py") for argument in config.args)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if named or cores == 1 else min(cores + 1, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files begin first, so that at the end no process is left alone with one."""
    places = {Path(__file__).parent / file: place for place, file in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


def pytest_configure() -> None:
    """Ctrl-C is heard: a shell starts what it puts into the background with SIGINT ignored, and Python leaves it so."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Installs packages of tests/packages by their folders' names, with pip and without a network, into a folder to put on the path."""
    folders: dict[tuple[str, ...], Path] = {}

    def install(*names: str) -> Path:
        if names not in folders:
            source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
            for name in names:
                shutil.copytree(PACKAGES / name, source / name, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
            pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
            command = [*pip, "--target", str(target), *(str(source / name) for name in names)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            folders[names] = target
        return folders[names]

    return install


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs this Python in a process of its own: python("-c", code, path=folder with installed packages, NAME=environment variable)."""
    def run(*arguments: str, path: Path | None = None, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {**{k: v for k, v in os.environ.items() if k != "BENCH_PLUGINS"}, "OMP_NUM_THREADS": "1", **environment}
        if path is not None:
            own["PYTHONPATH"] = os.pathsep.join(p for p in (str(path), own.get("PYTHONPATH", "")) if p)
        return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=own, cwd=cwd)

    return run


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs `bench` in processes of their own, forked from one that has imported it: forked("run", ..., path=folder with installed packages)."""
    folder = tmp_path_factory.mktemp("forked")
    with bench_in(folder, "--dataset", "synthetic[train=64,test=32]", "--epochs", "1", "--store", str(folder / "store")) as command:
        def run(*words: str, path: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
            own = {**os.environ, "OMP_NUM_THREADS": "1"} | ({} if path is None else {"PYTHONPATH": str(path)})
            return subprocess.run([str(command), *words], capture_output=True, text=True, check=False, env=own, cwd=cwd)

        yield run


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """A context without root's privileges (root may write anywhere), in a folder that everyone may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.chdir(folder)

    @contextmanager
    def drop() -> Iterator[None]:
        own = os.getresuid()
        if own[1] == 0:
            os.setresuid(65534, 65534, 0)
        try:
            yield
        finally:
            os.setresuid(*own)

    yield drop
    shutil.rmtree(folder)
