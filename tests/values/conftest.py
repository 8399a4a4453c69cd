from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

settings.register_profile("values", settings.get_profile("shared"), derandomize=True)
settings.load_profile("values")


@pytest.fixture(scope="session")
def factory() -> ModuleType:
    """Valid records made of a few numbers: tests/board/factory.py."""
    spec = importlib.util.spec_from_file_location("record_factory", Path(__file__).parents[1] / "board" / "factory.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
