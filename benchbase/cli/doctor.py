"""`bench doctor`: what could keep a run from working, and how to mend it."""
from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli.folders import existing, problem
from benchbase.cli.options import json_option, leaderboard_option, data_option, store_option, traceback_option
from benchbase.cli.output import bytes_text, count, out, print_json
from benchbase.errors import BenchError, raised

if TYPE_CHECKING:
    from benchbase.flow.inventory import Kept
    from benchbase.flow.store import Store

PACKAGES = ("benchbase", "torch", "torchvision", "timm", "numpy", "scipy", "safetensors", "pydantic", "pluggy", "click", "rich", "scikit-learn")
ROOM = 2e9  # bytes that should be free for weights and data
OPTIONAL = ("torchvision", "timm")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. level: "ok", "warning" or "error" (a run cannot work).  todo: how to mend it.  mend: mends it and says what was done;
    None where that is not for a program to do."""

    topic: str
    level: str
    what: str
    todo: str = ""
    mend: Callable[[], str] | None = field(default=None, repr=False, compare=False)

    def to_json(self, mended: str | None) -> dict[str, Any]:
        """As plain data. mended: what was done about it."""
        return {"topic": self.topic, "level": self.level, "what": self.what, "todo": self.todo, "mendable": self.mend is not None, "mended": mended}


@click.command("doctor")
@click.option("--fix", is_flag=True,
              help="Mend what can be mended without loss: make missing folders, remove what dead processes have left in the store.")
@store_option
@data_option
@leaderboard_option
@json_option
@traceback_option
def command(fix: bool, store: str | None, data: str | None, leaderboard: str | None, as_json: bool) -> int:
    """Check what a run needs: versions of packages, devices, plugins (broken ones, and names that two of them offer), folders that can be
    written, free disk, what processes that died have left in the store, and settings of the environment that make threads spin. Each problem comes
    with how to mend it; --fix does so where nothing can be lost.

    The exit code is 1 where something is wrong that keeps runs from working, else 0.

    \b
    Examples:
      bench doctor
      bench doctor --fix
      bench doctor --store /scratch/store --json
    """
    found = [*packages(), *devices(), *plugins(), *folders(store, data, leaderboard), *leftovers(store), *environment()]
    code = int(any(f.level == "error" for f in found))
    told = [(f, f.mend() if fix and f.mend is not None else None) for f in found]
    if as_json:
        print_json({"findings": [f.to_json(mended) for f, mended in told], "exit": code})
        return code
    for f, mended in told:
        out(f"{f.level:8}{f.topic}: {f.what}")
        if mended or f.todo:
            out(f"{'':8}{f'mended: {mended}' if mended else f.todo}")
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
        yield Finding("devices", "error", f"torch cannot be imported: {raised(error)}",
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
        low, there = free < ROOM, path.is_dir()
        yield Finding(topic, "warning" if low else "ok", f"{path}: {'writable' if there else 'not there yet, can be made'}, {bytes_text(free)} free",
                      f"make room, or name a folder on another disk with {flag}" if low else "",
                      None if there or topic == "leaderboard" else partial(made, path))


def made(path: Path) -> str:
    """Make the folder; what was done."""
    path.expanduser().mkdir(parents=True, exist_ok=True)
    return "the folder was made"


def leftovers(store: str | None) -> Iterator[Finding]:
    """What no run would read in the store: of processes that died, damaged stages, checkpoints of trainings that are done."""
    from benchbase.flow.inventory import inventory, rubbish
    from benchbase.flow.settings import settings_of
    from benchbase.flow.store import Store

    root = Store(settings_of(store).store)
    if not root.root.is_dir():
        return
    try:
        items = rubbish(inventory(root))
    except BenchError as error:
        yield Finding("store", "error", error.what, error.todo)
        return
    if items:
        yield Finding("store", "warning", f"{count(len(items), 'folder')} that no run would read, {bytes_text(sum(k.size for k in items))}: "
                      f"{', '.join(sorted({k.state for k in items}))}", "bench doctor --fix removes them, as `bench store gc` does",
                      partial(swept, root, items))


def swept(store: Store, items: list[Kept]) -> str:
    """Remove them; what was done."""
    from benchbase.flow.inventory import remove

    gone, held = remove(store, items)
    return f"removed {count(len(gone), 'folder')}, {bytes_text(sum(k.size for k in gone))}" \
        + (f"; {count(len(held), 'folder')} stay: a running process holds them" if held else "")


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
