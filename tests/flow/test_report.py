from __future__ import annotations

import pytest

from benchbase.flow.forecast import Forecast
from benchbase.flow.report import CellReport, Sweep

DONE = (CellReport("a"),)


def test_how_far_a_forecast_was_off():
    """41 s were foreseen of what took 47: 13 % too low."""
    assert Sweep(DONE, 60.0, 1, "", Forecast(41.0, 1), 47.0).off == pytest.approx(-0.1277, abs=1e-4)
    assert Sweep(DONE, 60.0, 1, "", Forecast(94.0, 1), 47.0).off == pytest.approx(1.0)


@pytest.mark.parametrize("sweep", [
    Sweep(DONE, 60.0, 1), Sweep(DONE, 60.0, 1, "", Forecast(None, None), 47.0), Sweep(DONE, 60.0, 1, "SIGTERM", Forecast(41.0, 1), 20.0),
    Sweep(DONE, 60.0, 1, "", Forecast(0.0, 0), 0.0), Sweep((CellReport("a", failures=(("a", "oom", "x"),)),), 60.0, 1, "", Forecast(41.0, 1), 20.0)])
def test_nothing_to_hold_against(sweep):
    """No forecast, of nothing known, stopped before the end, nothing run, or part of it failed."""
    assert sweep.off is None


def test_what_does_not_apply_was_not_foreseen_either():
    assert Sweep((CellReport("a", failures=(("a", "not_applicable", "x"),)),), 60.0, 1, "", Forecast(50.0, 1), 40.0).off == pytest.approx(0.25)
