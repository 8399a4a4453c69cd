"""`bench doctor`: what could keep a run from working, and how to mend it."""
from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import click

from benchbase.cli.folders import existing, problem
from benchbase.cli.options import json_option, leaderboard_option, data_option, store_option, traceback_option
from benchbase.cli.output import bytes_text, out, print_json
from benchbase.errors import BenchError

PACKAGES = ("benchbase", "torch", "torchvision", "timm", "numpy", "scipy", "safetensors", "pydantic", "pluggy", "click", "rich", "scikit-learn")
ROOM = 2e9  # bytes that should be free for weights and data
OPTIONAL = ("torchvision", "timm")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. level: "ok", "warning" or "error" (a run cannot work).  todo: how to mend it."""

    topic: str
    level: str
    what: str
    todo: str = ""


@click.command("doctor")
@store_option
@data_option
@leaderboard_option
@json_option
@traceback_option
def command(store: str | None, data: str | None, leaderboard: str | None, as_json: bool) -> int:
    """Check what a run needs: versions of packages, devices, plugins (broken ones, and names that two of them offer), folders that can be
    written, free disk, and settings of the environment that make threads spin. Each problem comes with how to mend it.

    The exit code is 1 where something is wrong that keeps runs from working, else 0.

    \b
    Examples:
      bench doctor
      bench doctor --store /scratch/store --json
    """
    found = [*packages(), *devices(), *plugins(), *folders(store, data, leaderboard), *environment()]
    code = int(any(f.level == "error" for f in found))
    if as_json:
        print_json({"findings": [asdict(f) for f in found], "exit": code})
        return code
    for f in found:
        out(f"{f.level:8}{f.topic}: {f.what}")
        if f.todo:
            out(f"{'':8}{f.todo}")
    return code


def packages() -> Iterator[Finding]:
    """Python and the packages that are needed."""
    found, missing = [f"Python {platform.python_version()}"], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding("versions", "ok", ", ".join(found))
    for name in missing:
        yield Finding("versions", "warning" if name in OPTIONAL else "error", f"{name} is not installed", f"pip install {name}")


def devices() -> Iterator[Finding]:
    """What torch can compute on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        import torch
    except Exception as error:  # noqa: BLE001 -- a broken installation may raise anything
        yield Finding("devices", "error", f"torch cannot be imported: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                      "install it again: pip install --force-reinstall torch")
        return
    yield Finding("devices", "ok", f"{cores} processor cores; up to --jobs {cores} cells at a time make sense")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(index)
            yield Finding("devices", "ok", f"cuda:{index} {about.name}, {bytes_text(about.total_memory)}")
    elif torch.version.cuda and shutil.which("nvidia-smi"):
        yield Finding("devices", "warning", "there seems to be a GPU, and torch cannot use it",
                      f"check the driver with nvidia-smi: torch {torch.__version__} was built for CUDA {torch.version.cuda}")
    else:
        yield Finding("devices", "ok", "no GPU; everything runs on the CPU")


def plugins() -> Iterator[Finding]:
    """Plugins that cannot be loaded, and names that two of them offer."""
    from benchbase.cli.list import KINDS
    from benchbase.plugin.manager import load_plugins

    try:
        loaded = load_plugins()
    except BenchError as error:
        yield Finding("plugins", "error", error.what, error.todo)
        return
    counts = []
    for kind in KINDS:
        try:
            counts.append(f"{len(loaded.offers(kind))} {kind}")
        except BenchError as error:
            yield Finding("plugins", "error", error.what, error.todo)
    yield Finding("plugins", "ok", ", ".join(counts))
    for broken in loaded.broken:
        yield Finding("plugins", "warning", f"{broken.plugin} ({broken.distribution}) cannot be loaded: {broken.error}",
                      f"mend, upgrade or uninstall {broken.distribution}; everything else works without it")


def folders(store: str | None, data: str | None, leaderboard: str | None) -> Iterator[Finding]:
    """Whether they can be written, and how much room there is."""
    from benchbase.flow.settings import settings_of

    chosen = settings_of(store, data, leaderboard)
    for topic, path, flag in (("store", chosen.store, "--store or BENCH_STORE"), ("data", chosen.data, "--data or BENCH_DATA"),
                              ("leaderboard", chosen.leaderboard, "--leaderboard")):
        if why := problem(path):
            yield Finding(topic, "error", f"{path}: {why}", f"make it writable, or name another folder with {flag}")
            continue
        free = shutil.disk_usage(existing(path)).free
        low = free < ROOM
        yield Finding(topic, "warning" if low else "ok", f"{path}: writable, {bytes_text(free)} free",
                      f"make room, or name a folder on another disk with {flag}" if low else "")


def environment() -> Iterator[Finding]:
    """Variables that let waiting threads spin: beside a busy process that costs up to 70 times."""
    spinning = [(name, os.environ[name]) for name, calm in (("OMP_WAIT_POLICY", "PASSIVE"), ("KMP_BLOCKTIME", "0"), ("GOMP_SPINCOUNT", "0"))
                if os.environ.get(name, calm).upper() != calm]
    for name, value in spinning:
        yield Finding("environment", "warning", f"{name}={value} lets threads spin while they wait, which slows every process beside them",
                      f"unset {name}")
    if not spinning:
        yield Finding("environment", "ok", "threads do not spin while they wait")
    named = {name: value for name in ("BENCH_STORE", "BENCH_DATA", "BENCH_PLUGINS") if (value := os.environ.get(name, ""))}
    if named:
        yield Finding("environment", "ok", ", ".join(f"{name}={value}" for name, value in named.items()))
