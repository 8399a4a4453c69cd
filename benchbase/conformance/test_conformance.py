"""Every check of the plugins that --plugin names, as a test of its own."""
from __future__ import annotations

from typing import Any

import pytest

from benchbase.conformance import walk


def test_conformance(bench_case: Any) -> None:
    outcome = walk.run(bench_case)
    if outcome.unchecked:
        pytest.skip(outcome.unchecked)
    if outcome.findings:
        pytest.fail("\n".join(map(str, outcome.findings)), pytrace=False)
