from __future__ import annotations

import importlib

import pytest


@pytest.fixture
def on_path(installed, monkeypatch):
    """Puts packages of tests/packages, installed, on this process's path for one test."""
    def put(*names: str) -> None:
        monkeypatch.syspath_prepend(str(installed(*names)))
        importlib.invalidate_caches()

    return put
