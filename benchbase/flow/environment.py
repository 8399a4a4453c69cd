"""What results were made with: versions of packages, and the processor's model. No host, user or path."""
from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("benchbase", "torch", "torchvision", "numpy")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Version of Python and of each package that results depend on, where it is installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def device(machine: Any) -> dict[str, str]:
    """The processor that `machine` names: its type ("cpu", "cuda") and model; how many, where ranks train together."""
    kind = machine.device.split(":")[0]
    many = f"{machine.ranks} x " if machine.ranks > 1 else ""
    if kind == "cpu":
        return {"type": kind, "name": many + cpu_name()}
    import torch

    return {"type": kind, "name": many + torch.cuda.get_device_name(machine.device)}


@lru_cache(maxsize=1)
def cpu_name() -> str:
    """The processor's model as the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    told = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return " ".join((told or platform.processor() or platform.machine() or "unknown").split())


def made_with(machine: Any) -> dict[str, Any]:
    """Both, as a stage tells them: a record written from the store names what trained it, not what reads it."""
    return {"versions": versions(), "device": device(machine)}
