"""What benchmarks of several methods measure on, and how."""
from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))  # for growth.py, photographs.py, table.py and ways.py
from table import Measured, table

FOUND = pytest.StashKey[list[Measured]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", metavar="FILE", help="write what was measured into FILE, as Markdown")


@pytest.fixture(autouse=True)
def measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps what each benchmark says in its extra_info for the table at the end."""
    benchmark = request.getfixturevalue("benchmark") if "benchmark" in request.fixturenames else None
    yield
    if benchmark is not None and benchmark.extra_info:
        found = request.config.stash.setdefault(FOUND, [])
        found.append(Measured(request.path.name, request.node.name, dict(benchmark.extra_info)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table; write it where --table says."""
    text = table(config.stash.get(FOUND, []))
    terminalreporter.write_line(text)
    if file := config.getoption("--table"):
        Path(file).write_text(text, encoding="utf-8")


def pytest_xdist_auto_num_workers() -> int:
    """What is timed has the machine to itself: one process."""
    return 0


@pytest.fixture
def seconds() -> Callable[..., float]:
    """seconds(call, rounds=3): the shortest of a few runs."""
    def shortest(call: Callable[[], object], rounds: int = 3) -> float:
        taken = []
        for _ in range(rounds):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
        return min(taken)
    return shortest


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """Five convolutions of 64 and 128 channels with batch norms, two pools between them, and a linear layer."""
    widths, layers = [3, 64, 64, 128, 128, 128], []
    for i, (a, b) in enumerate(zip(widths, widths[1:], strict=False)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), *([nn.MaxPool2d(2)] if i in (1, 3) else [])]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)).eval()


@pytest.fixture(scope="session")
def photographs(tmp_path_factory) -> Iterator[Path]:
    """A data folder with imagenet/train, ten classes of BENCH_SPEED_IMAGES JPEGs together (left out: 10,000), and imagenet/val, of 100."""
    from photographs import write

    root = tmp_path_factory.mktemp("photographs")
    write(root, {"train": int(os.environ.get("BENCH_SPEED_IMAGES", 10_000)), "val": 100})
    yield root
    shutil.rmtree(root)
