from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from benchbase.plugin.load import opened
from benchbase.plugin.manager import Plugins

FAULTS = Path(__file__).with_name("faults")


@cache
def module(name: str) -> ModuleType:
    """A file of faults as a module."""
    import sys

    spec = importlib.util.spec_from_file_location(f"faults_{name}", FAULTS / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="session")
def faulty() -> Callable[..., Plugins]:
    """The plugins in files of faults, by name."""
    def make(*names: str) -> Plugins:
        return Plugins(opened((name, f"bench-{name}", "1.0", module(name)) for name in names))
    return make
