"""The wheel: built from a clean copy, installed into a venv of its own, all there and working."""
from __future__ import annotations

import ast
import configparser
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = {"benchbase": ROOT / "benchbase", "benchbase_plugins": ROOT / "plugins", "benchbase_plugins.suites": ROOT / "benchmarks" / "suites"}
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What a command prints; PYTHONPATH and BENCH_PLUGINS as on a fresh machine."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "BENCH_PLUGINS")} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, env=clean, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built as on a fresh clone: what builds and runs leave behind is not there."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheels")
    for folder in SOURCES.values():
        shutil.copytree(folder, copy / folder.relative_to(ROOT), ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-w", out, copy)
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def home(wheel, tmp_path_factory) -> Path:
    """A venv with the wheel in it, which sees the packages of the one that runs the tests: not the checkout, whose path file is not read there."""
    folder = tmp_path_factory.mktemp("home")
    venv.create(folder, with_pip=False)
    run(sys.executable, "-m", "pip", "-q", "--python", folder, "install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    site = Path(run(folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "tests.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    return folder


def expected() -> set[str]:
    """Every module and data file of the source tree, by its place in the wheel."""
    return {f"{package.replace('.', '/')}/{file.relative_to(source).as_posix()}" for package, source in SOURCES.items() for file in source.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith(".")}


def test_every_file_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected()
    assert {"benchbase/values/record.schema.json", "benchbase_plugins/budgets/paper.yaml", "benchbase_plugins/methods/_gram.py"} <= names
    assert any(name.endswith("LICENSE") for name in names)


def test_every_package_is_listed():
    folders = {".".join((package, *file.parent.relative_to(source).parts)) for package, source in SOURCES.items() for file in source.rglob("*.py")}
    listed = SETUP["options"]["packages"].split()
    assert sorted(listed) == sorted(folders)
    assert all((source / "__init__.py").is_file() for source in SOURCES.values())


def test_it_works_where_it_is_installed(home):
    bench, version = home / "bin" / "bench", SETUP["metadata"]["version"]
    found = json.loads(run(bench, "list", "--json", cwd=home))
    assert {"l1-norm", "thinet", "random", "uniform"} <= {entry["name"] for entry in found["methods"]} and found["broken"] == []
    assert {(entry["distribution"], entry["version"]) for entry in found["methods"]} == {("benchbase", version)}
    assert {"smoke", "digits-all", "cifar10-small"} <= {entry["name"] for entry in found["suites"]}
    assert run(bench, "plan", "smoke", "--store", home / "store", cwd=home).startswith("4 cells")
    assert "vgg-digits" in run(bench, "list", "models", cwd=home) and version in run(bench, "--version", cwd=home)
    code = "import benchbase, benchbase_plugins; print(benchbase.__file__, benchbase_plugins.__file__, benchbase.__version__)"
    places = run(home / "bin" / "python", "-c", code, cwd=home)
    assert places.count(str(home)) == 2 and str(ROOT) not in places and places.split()[-1] == version


def test_it_prunes_where_it_is_installed(home):
    code = ("import benchbase as b, torch; net = b.build_model('vgg-digits', dataset='digits');"
            "p = b.prune(net, 'thinet[images=32]', 'macs=0.5', data='digits'); print(b.count(p.model, torch.zeros(2, 1, 8, 8)).macs / 1788544)")
    assert 0.48 < float(run(home / "bin" / "python", "-c", code, cwd=home)) < 0.52


def test_extras_and_needs():
    assert {"test", "board", "ray"} <= set(SETUP["options.extras_require"])
    needs = {line.split()[0] for line in SETUP["options"]["install_requires"].strip().splitlines()}
    assert {"torch", "click", "pluggy", "pydantic", "safetensors", "filelock", "platformdirs", "rich", "numpy", "scipy", "scikit-learn"} <= needs
    assert SETUP["options"]["python_requires"] == ">=3.10"


def test_everything_that_is_imported_is_required():
    """Third parties imported anywhere in the two packages are among the requirements or an extra's."""
    said = [line.split()[0].partition("[")[0].lower() for text in (SETUP["options"]["install_requires"], *SETUP["options.extras_require"].values())
            for line in text.strip().splitlines()]
    as_imported = {"pyyaml": "yaml", "scikit-learn": "sklearn", "pillow": "PIL", "vl-convert-python": "vl_convert"}
    allowed = set(sys.stdlib_module_names) | {as_imported.get(name, name) for name in said} | set(SOURCES) | {"PIL"}  # PIL comes with torchvision
    for source in SOURCES.values():
        for file in source.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [str(node.module)]
                assert {name.partition(".")[0] for name in names} <= allowed, file
