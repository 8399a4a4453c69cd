"""Threads of workers: said in the environment while they start, and what was there before is back afterwards."""
from __future__ import annotations

import os

from benchbase.flow.threads import one_thread, worker_environment


def test_what_was_said_before_is_back_afterwards(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with one_thread():
        assert {name: os.environ[name] for name in one_thread.NAMES} == one_thread.NAMES
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def test_a_worker_elsewhere_has_its_threads_and_the_plugins_that_were_chosen(monkeypatch):
    monkeypatch.setenv("BENCH_PLUGINS", "vgg,l1-norm")
    assert worker_environment(4) == {"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "OMP_WAIT_POLICY": "PASSIVE",
                                     "BENCH_PLUGINS": "vgg,l1-norm"}
    monkeypatch.delenv("BENCH_PLUGINS")
    assert "BENCH_PLUGINS" not in worker_environment(1)
