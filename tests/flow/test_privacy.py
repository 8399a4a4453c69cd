"""Records of a real run hold no host, user or path."""
from __future__ import annotations

import getpass
import os
import platform
import re
import socket
from pathlib import Path

from benchbase.flow.run import run_suite


def test_a_run_tells_nothing_of_where_it_was_made(settings, tiny, own, tmp_path, monkeypatch):
    """Results, and failures with their tracebacks; only packages are in `versions`."""
    monkeypatch.setenv("USER", "ada-lovelace")
    monkeypatch.setenv("LOGNAME", "ada-lovelace")
    monkeypatch.setenv("HOME", str(tmp_path / "home-of-ada"))
    here = settings()
    sweep = run_suite(tiny(methods=("l1-norm", own("Broken")), protocols=("one-shot", "finetune")), here)
    files = sorted(here.leaderboard.rglob("*.json"))
    assert sweep.records and sweep.failures and len(files) == 3
    names = {socket.gethostname(), socket.getfqdn(), platform.node(), getpass.getuser(), "ada-lovelace", "home-of-ada", str(Path.home()), os.getcwd(),
             str(tmp_path), str(Path(__file__).parents[2]), str(here.store), "/tmp/", "/home/", "/root", "site-packages"} - {"", "/", "root", "localhost"}
    for file in files:
        text = file.read_text()
        assert not [name for name in names if name in text], file.name
        assert not re.search(r"[\"' (=](/[\w.-]+){2,}|[A-Za-z]:\\\\", text), file.name
