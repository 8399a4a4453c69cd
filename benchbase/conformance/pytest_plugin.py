"""pytest's side: `pytest --pyargs benchbase.conformance --plugin NAME` makes each check a test. Loaded with every pytest, so it imports nothing."""
from __future__ import annotations

from typing import Any


def pytest_addoption(parser: Any) -> None:
    """--plugin and what goes with it."""
    group = parser.getgroup("benchbase", "conformance of benchbase plugins (pytest --pyargs benchbase.conformance)")
    group.addoption("--plugin", action="append", default=[], metavar="NAME", dest="bench_plugins",
                    help="Plugin to check: its entry point's name, its package's, or a method in a file, ./mine.py:MyMethod. Repeatable.")
    group.addoption("--plugin-data", default=None, metavar="DIR", dest="bench_data", help="Folder of downloaded data.  [default: $BENCH_DATA]")


def pytest_generate_tests(metafunc: Any) -> None:
    """The checks of the plugins that were named, of those that are not benchbase's own where none was."""
    if "bench_case" not in metafunc.fixturenames:
        return
    from benchbase.conformance import walk
    from benchbase.flow.settings import settings_of
    from benchbase.plugin.manager import load_plugins

    plugins, config = load_plugins(), metafunc.config
    names = config.getoption("bench_plugins") or walk.own(plugins)
    cases = walk.cases(plugins, names, settings_of(data=config.getoption("bench_data")).data)
    metafunc.parametrize("bench_case", cases, ids=[case.label.replace(" ", "-") for case in cases])
