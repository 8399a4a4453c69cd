"""Two runs at once on folders that answer late, as those of a network do: what the window between writing and naming may lose is lost here."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchbase.cli import main

LATE = """
import json, os, sys, time
SECONDS, called = 0.02, dict.fromkeys(("fsync", "replace", "rename", "link"), 0)
def late(name):
    at_once = getattr(os, name)
    def call(*arguments, **named):
        called[name] += 1
        time.sleep(SECONDS)
        try:
            return at_once(*arguments, **named)
        finally:
            time.sleep(SECONDS)
    setattr(os, name, call)
for name in called:
    late(name)
from benchbase.cli import main
from benchbase.flow import run, stages
import torch
print(flush=True)
input()
code = main(sys.argv[1:])
print(json.dumps(called), file=sys.stderr)
sys.exit(code)
"""
METHODS = ("l1-norm", "random")
SWEEP = ("--dataset", "synthetic[train=64,test=32]", "--seeds", "0", "--epochs", "2", "--finetune-epochs", "1",
         "--protocol", "one-shot", "--protocol", "finetune", "--protocol", "scratch-e", "--device", "cpu", "--set", "recipe.batch_size=32", "--json", "-q")


def given(root: Path, methods: Iterable[str] = METHODS) -> list[str]:
    """The command, on the store and the leaderboard below `root`."""
    return ["run", *(part for method in methods for part in ("-m", method)), *SWEEP, "--store", str(root / "store"), "--leaderboard", str(root / "board")]


def late_on(root: Path, methods: Iterable[str]) -> subprocess.Popen[str]:
    """The sweep in a process of its own, where whatever makes a file lasting or gives it its name waits before and after."""
    return subprocess.Popen([sys.executable, "-c", LATE, *given(root, methods)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "OMP_NUM_THREADS": "1"})


def said(running: subprocess.Popen[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """The document of a run that went well, and how often it waited."""
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    return json.loads(out), json.loads(err.strip().splitlines()[-1])


def timeless(value):
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in ("started", "seconds")}
    return value


def records(root: Path):
    return {path.relative_to(root): timeless(json.loads(path.read_text())) for path in sorted(root.rglob("*.json"))}


def test_two_runs_on_folders_that_answer_late(tmp_path, capsys):
    both = [late_on(tmp_path / "late", methods) for methods in (METHODS, METHODS[::-1])]  # so that neither only follows the other
    for running in both:
        running.stdout.readline()  # it has imported what it needs
    for running in both:
        running.stdin.write("\n")
        running.stdin.flush()
    late = [said(running) for running in both]
    assert main(given(tmp_path / "quick")) == 0
    quick = json.loads(capsys.readouterr().out)
    assert quick["trained"] == sum(document["trained"] for document, _ in late) == 4  # a base, two fine-tunings, one scratch for both
    assert sum(calls["link"] for _, calls in late) and all(calls["fsync"] and calls["rename"] for _, calls in late)
    assert [len(document["records"]) for document in (quick, *(document for document, _ in late))] == [6, 6, 6]
    assert records(tmp_path / "late" / "board") == records(tmp_path / "quick" / "board")
    assert not [path for path in (tmp_path / "late").rglob("*") if path.name.startswith(".") or path.parent.name == "checkpoints"]
