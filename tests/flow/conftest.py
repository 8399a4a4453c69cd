from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchbase.flow import run
from benchbase.flow.settings import Settings
from benchbase.values.spec import Suite

OWN = Path(__file__).with_name("own_methods.py")


@pytest.fixture(scope="session", autouse=True)
def traced_once() -> Iterator[None]:
    """Sweeps of one test process share what they read of networks, as the cells of one sweep do: half of a second each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Tools", partial(run.Tools, traces={}))
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with folders of the test's own."""
    def make(**changes: Any) -> Settings:
        return Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu", **changes)
    return make


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Suite]:
    """A suite of one cell that trains for a moment: vgg-digits on 64 made-up images."""
    base = Suite(methods=("l1-norm",), datasets=("synthetic[train=64,test=32]",), budgets=("0.5",), protocols=("one-shot", "finetune", "scratch-e"),
                 seeds=(0,), recipe={"epochs": 2, "batch_size": 32}, finetune={"epochs": 1})
    return base.with_


@pytest.fixture(scope="session")
def own() -> Callable[[str], str]:
    """own("Name[a=1]"): a method of own_methods.py as the command line names it."""
    return lambda name: f"{OWN}:{name}"


@pytest.fixture(scope="session")
def read() -> Callable[[Path], dict[tuple[Any, ...], dict[str, Any]]]:
    """The records below a folder as plain data, by (method, budget, protocol, seed)."""
    def load(folder: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
        found = [json.loads(p.read_text()) for p in sorted(folder.rglob("*.json")) if p.parent.name != "failed"]
        return {(r["method"]["name"], r["budget"]["name"], r["protocol"], r["seed"]): r for r in found}
    return load
