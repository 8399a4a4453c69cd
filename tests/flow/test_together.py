"""Sweeps that torchrun has started: rank 0 writes what one process writes, and what is lost goes on."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchbase.cli import main
from benchbase.errors import BenchError
from benchbase.flow.run import run_suite
from benchbase.flow.settings import settings_of
from benchbase.flow.team import Among, among_of
from benchbase.training.machine import Machine
from benchbase.values.spec import suite_of

BENCH = str(Path(sys.executable).with_name("bench"))
PULLS = """
from dataclasses import dataclass
from benchbase import Callback, Method, Selection

class Apart(Callback):
    def after_step(self, model):
        from torch import distributed
        for weight in model.parameters():
            weight.data.add_(1e-3 * (1 + (distributed.get_rank() if distributed.is_initialized() else 0)))

@dataclass(frozen=True)
class Pulls(Method):
    "Trains its base with a callback that does something else in each rank."
    name = "pulls"
    paper = "none"

    def training(self, budget):
        return Apart()

    def select(self, net, data, budget):
        return Selection({group.name: list(range(budget.keep(group))) for group in net.groups})
"""
DATA = ("--dataset", "synthetic[train=480,test=96]")
SUITE = (*DATA, "-m", "l1-norm", "-m", "random", "--seeds", "0", "--epochs", "6", "--finetune-epochs", "2", "--protocol", "finetune", "--protocol", "scratch-e")
PART = (*DATA, "-m", "random", "--seeds", "0", "--epochs", "6", "--protocol", "scratch-e")  # of it
ENOUGH = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def torchrun(folder: Path, *flags: str, suite: tuple[str, ...] = SUITE, ranks: int = 2) -> list[str]:
    """The command of a run by several ranks, with its folders below `folder`."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), *flags]
    return [*launch, "--no-python", BENCH, "run", *suite, "--store", str(folder / "store"), "--leaderboard", str(folder / "board")]


def records(folder: Path) -> dict[tuple[str, str], dict]:
    """(method, protocol) -> record."""
    found = [json.loads(path.read_text()) for path in (folder / "board/v1/records").rglob("*.json")]
    return {(record["method"]["name"], record["protocol"]): record for record in found if "metrics" in record}


def stages(folder: Path, kind: str) -> list[dict]:
    """Those of a kind in the store."""
    found = [json.loads(path.read_text()) for path in (folder / "store").rglob("stage.json")]
    return [stage for stage in found if stage["kind"] == kind]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder of a sweep by two ranks, with a method that pulls them apart among others, and what was said."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "pulls.py").write_text(PULLS)
    suite = ("-m", f"{folder / 'pulls.py'}:Pulls", *SUITE)
    done = subprocess.run(torchrun(folder, suite=suite), capture_output=True, text=True, check=False, timeout=300, env=ENOUGH)
    assert done.returncode == 1, done.stderr[-3000:]
    return folder, done


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    assert main(["run", *SUITE, "--store", str(folder / "store"), "--leaderboard", str(folder / "board"), "-q"]) == 0
    return folder


def test_two_ranks_write_the_records_of_one_process(one, two):
    """Losses agree to a part in a hundred after some hundred steps; a rank's own half of the batches would be far from that."""
    alone, together = records(one), records(two[0])
    assert together.keys() == alone.keys() and len(alone) == 4
    for key, record in together.items():
        assert record["metrics"]["loss"] == pytest.approx(alone[key]["metrics"]["loss"], rel=0.03), key
        assert record["device"]["name"] == f"2 x {alone[key]['device']['name']}" and record["threads"] == 1
    assert "4 trainings run" in two[1].stdout and two[1].stdout.count("records in") == 1, "rank 0 alone speaks"
    assert len(stages(two[0], "train")) == len(stages(one, "train"))


def test_what_fails_in_all_ranks_is_one_failed_cell_and_the_others_go_on(two):
    said = two[1].stdout
    assert said.count("failed (method_error): pulls") == 1 and "differs between the 2 ranks of a training after epoch 1" in said, said


def test_given_again_nothing_runs(two):
    again = subprocess.run(torchrun(two[0]), capture_output=True, text=True, check=False, timeout=300, env=ENOUGH)
    assert again.returncode == 0 and "0 trainings run" in again.stdout, again.stderr[-2000:]


def started(folder: Path, *flags: str) -> subprocess.Popen:
    return subprocess.Popen(torchrun(folder, *flags, suite=PART), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENOUGH, start_new_session=True)


def in_training(process: subprocess.Popen, folder: Path, others: set[str] = frozenset()) -> set[str]:
    """Wait until the last epoch of some training is kept, of another one than `others`; the trainings that have kept one by then."""
    ends = time.monotonic() + 120
    while not (kept := {path.parent.name for path in (folder / "store").rglob("checkpoint.json")} - others):
        assert process.poll() is None and time.monotonic() < ends, process.communicate()
        time.sleep(0.02)
    return kept


def pid_of(rank: int, parent: int) -> int:
    """The process that torchrun has given this rank."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            ours = int(entry.read_text().rpartition(")")[2].split()[1]) == parent
            if ours and f"RANK={rank}".encode() in (entry.parent / "environ").read_bytes().split(b"\0"):
                return int(entry.parent.name)
        except OSError:
            continue
    raise AssertionError(f"no rank {rank}")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
def test_lost_ranks_and_ctrl_c_cost_no_more_than_an_epoch(two, tmp_path):
    """In the first training a rank is killed, and torchrun starts all again; in the second one, Ctrl-C, and the command is given again. Nothing of it is
    seen in what comes out."""
    disturbed = tmp_path / "disturbed"
    process = started(disturbed, "--max-restarts", "1")
    first = in_training(process, disturbed)
    os.kill(pid_of(1, process.pid), signal.SIGKILL)
    in_training(process, disturbed, first)
    os.killpg(process.pid, signal.SIGINT)
    err = process.communicate(timeout=100)[1]
    assert process.returncode and "goes on after epoch" in err and not records(disturbed), err[-3000:]
    again = started(disturbed)
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0 and "goes on after epoch" in err and "1 training run" in out, err[-3000:]
    got, undisturbed = ({key: record["digests"] for key, record in records(folder).items()} for folder in (disturbed, two[0]))
    assert list(got) == [("random", "scratch-e")] and got.items() <= undisturbed.items() and len(stages(disturbed, "train")) == 2


def test_settings_that_say_nothing_there_are_refused(tmp_path):
    settings = replace(settings_of(str(tmp_path)), among=Among(0, 2), jobs=2)
    with pytest.raises(BenchError, match="processes that train together run one stage at a time"):
        run_suite(suite_of({"methods": ["random"]}), settings)


def test_torchrun_says_who_trains_together_and_nobody_else():
    assert among_of({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}) == Among() == settings_of().among
    assert among_of({"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "TORCHELASTIC_RESTART_COUNT": "2"}) == Among(3, 4, 1, 2)


def test_each_process_has_a_gpu_of_its_own():
    assert Among(1, 2, 1).placed(Machine()) == Machine(ranks=2)
    with pytest.raises(BenchError, match="has no GPU of its own"):
        Among(99, 100, 99).placed(Machine("cuda"))
