"""What is written for SLURM: run by a stand-in of `sbatch` that runs the tasks of an array one after another, it ends as `bench run` does."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forking import bench_in

from .conftest import QUICK, bench

SBATCH = """#!/usr/bin/env bash
# The tasks of an array one after another, each as a process; the jobs that it waits for have ended.
echo "$*" >> "$JOBS"
tasks=0-0
while [[ $1 != -- ]]; do
    case "$1" in --array=*) tasks=${1#--array=} ;; esac
    shift
done
shift
for ((i = ${tasks%-*}; i <= ${tasks#*-}; i++)); do
    SLURM_ARRAY_TASK_ID=$i bash "$@" >> "$JOBS.out" 2>&1 || echo "exit $? of $* $i" >> "$JOBS"
done
echo "$(wc -l < "$JOBS");cluster"
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A machine that submits jobs: `sbatch` on the path; what was submitted, line by line. Commands beside it are found, too."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(SBATCH)
    (folder / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join((str(folder), os.environ["PATH"])))
    monkeypatch.setenv("JOBS", str(tmp_path / "jobs"))
    return tmp_path / "jobs"


def facts(board):
    """What records say of results."""
    rows = [json.loads(p.read_text()) for p in sorted(board.rglob("records/**/*.json")) if p.parent.name != "failed"]
    return {r["key"]: (r["metrics"], r["unpruned"], r["digests"], r["correct"], r["shared_with"]) for r in rows}


def test_the_script_ends_as_a_run_does(here, slurm, monkeypatch):
    """Folders, a method's file and a label that a shell would trip over; a method that decides the widths, and one that fails."""
    own = here / "it's $HOME; mine.py"
    own.write_bytes((Path(__file__).parents[1] / "flow" / "own_methods.py").read_bytes())
    args = ("-m", f"./{own.name}:Threshold", "-m", f"./{own.name}:Broken", "--budget", "0.5", *QUICK,
            "--protocol", "one-shot", "--protocol", "scratch-e", "--seeds", "0", "--store", "a 'store'")
    said = bench("plan", *args, "--leaderboard", "ours", "--sbatch", "sub mit.sh")
    assert said.code == 0 and "sub mit.sh: " in said.out and "in 3 levels, then a job that gathers" in said.out, said
    shellcheck = shutil.which("shellcheck", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    checked = subprocess.run([shellcheck or pytest.skip("shellcheck is not installed"), "sub mit.sh"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    with bench_in(slurm.with_name("bin"), "-m", "l1-norm", *QUICK, "--store", str(here / "warm")):
        done = subprocess.run(["bash", here / "sub mit.sh", "--mem=8G"], capture_output=True, text=True, check=False, cwd="/")
    told = slurm.with_name("jobs.out").read_text()
    assert done.returncode == 0, done.stderr + told
    jobs = [line for line in slurm.read_text().splitlines() if not line.startswith("exit")]
    assert len(jobs) == 4 and all("--mem=8G" in line for line in jobs) and "--dependency" not in jobs[0]
    assert all("--dependency=afterany:" in line for line in jobs[1:])
    assert "failed (method_error)" in told and " 0 trainings run, " in told, told
    assert bench("run", *args[:-1], "store2", "--leaderboard", "plain", "-q").code == 1
    assert facts(here / "ours") == facts(here / "plain") and len(facts(here / "plain")) == 2
    assert len(list((here / "ours").rglob("failed/*.json"))) == len(list((here / "plain").rglob("failed/*.json"))) == 1
    assert bench("plan", *args, "--leaderboard", "ours", "--sbatch", "again.sh").out.startswith("again.sh: 0 stages in 0 levels")


def test_a_plan_in_part_done_leaves_out_what_is_there(here, ran, slurm, monkeypatch):
    said = bench("plan", *ran.args, *ran.folders, "--protocol", "unpruned-long", "--protocol", "scratch-e", "--sbatch", "s.sh")
    assert said.code == 0 and said.out.startswith("s.sh: 2 stages in 1 level,"), said


def test_what_no_job_could_do_is_said(here):
    for args, says in [(("--jobs", "4"), "--jobs says nothing"), (("--stage-timeout", "2h"), "--stage-timeout or --stage-memory says nothing"),
                       (("--rerun", "all"), "--rerun all says nothing")]:
        said = bench("plan", "-m", "l1-norm", *QUICK, *args, "--sbatch", "s.sh")
        assert said.code == 2 and says in said.lines[0] and not Path("s.sh").exists()
    said = bench("plan", "-m", "l1-norm", *QUICK, "--sbatch", "missing/s.sh")
    assert said.code == 2 and "cannot write missing/s.sh" in said.lines[0]
