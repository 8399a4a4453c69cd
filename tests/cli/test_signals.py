from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from benchbase.cli.signals import limited, listening, parse_duration
from benchbase.errors import BenchError


@pytest.mark.parametrize("text, seconds", [("90", 90), ("90s", 90), ("9m", 540), ("1h30m", 5400), ("0.5m", 30), (" 2H ", 7200), ("1d", 86400)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "0", "-3", "9 minutes", "1h30", "m", "inf", "nan", "1e3"])
def test_durations_that_are_none(text):
    with pytest.raises(BenchError, match="time limit"):
        parse_duration(text)


def test_a_limit_interrupts_and_is_gone_afterwards():
    with pytest.raises(KeyboardInterrupt, match="time limit"), limited(0.05):
        time.sleep(5)
    with limited(0.05), limited(None):
        pass
    time.sleep(0.1)


def test_a_scheduler_s_signal_interrupts():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"), listening():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_listen_to_nothing():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(listening().__enter__()))
    thread.start()
    thread.join()
    assert seen == [None]
