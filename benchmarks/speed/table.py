"""What the benchmarks measured as one Markdown text: the machine, the versions, and a table for each file."""
from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "numpy", "pillow", "torch-pruning")


@dataclass(frozen=True)
class Measured:
    """What one benchmark found. file: of the test.  name: of the test, with its parameters.  figures: by what they are called."""

    file: str
    name: str
    figures: Mapping[str, Any]


def table(found: Iterable[Measured]) -> str:
    """Benchmarks of one file stand together, in the order they ran."""
    text = f"{machine()}\n"
    for file, tests in groupby(found, key=lambda m: m.file):
        text += f"\n## {file}\n\n| | measured |\n|---|---|\n"
        text += "".join(f"| {spoken(m.name)} | {'; '.join(f'{name} {told(value)}' for name, value in m.figures.items())} |\n" for m in tests)
    return text


def spoken(name: str) -> str:
    """test_the_loop[resnet20] -> the loop, resnet20"""
    test, _, case = name.removesuffix("]").partition("[")
    return test.removeprefix("test_").replace("_", " ") + (f", {case}" if case else "")


def told(value: Any) -> str:
    """Three digits of a broken number, all of a whole one; a dictionary's entries one after another."""
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name} {told(v)}" for name, v in value.items()) + ")"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(told, value))
    return f"{value:.0f}" if isinstance(value, float) and abs(value) >= 100 else f"{value:.3g}" if isinstance(value, float) else str(value)


def machine() -> str:
    """What was measured on, when, and with what."""
    from torch import cuda

    gpu = f", {cuda.get_device_name()}" if cuda.is_available() else ""
    found = ", ".join(f"{name} {number}" for name in PACKAGES if (number := _version(name)))
    return (f"{_processor()}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores{gpu}; {platform.system()}; "
            f"Python {platform.python_version()}, {found}. Commit {_commit()}, {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC. "
            f"Load of the last fifteen minutes at the end: {os.getloadavg()[2]:.1f}.")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return said.stdout.strip() or "unknown"
