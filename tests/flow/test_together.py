"""Sweeps that torchrun has started: rank 0 writes what one process writes, and what is lost goes on."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchbase.errors import BenchError
from benchbase.flow.settings import settings_of
from benchbase.flow.team import Among, among_of
from benchbase.training.machine import Machine

BENCH = str(Path(sys.executable).with_name("bench"))
SUITE = ("-m", "l1-norm", "-m", "random", "--seeds", "0", "--epochs", "4", "--finetune-epochs", "2", "--protocol", "finetune", "--protocol", "scratch-e")
ENOUGH = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def torchrun(folder: Path, *flags: str, suite: tuple[str, ...] = SUITE, ranks: int = 2) -> list[str]:
    """The command of a run by several ranks, with its folders below `folder`."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), *flags]
    return [*launch, "--no-python", BENCH, "run", *suite, "--store", str(folder / "store"), "--leaderboard", str(folder / "board")]


def records(folder: Path) -> dict[tuple[str, str], dict]:
    """(method, protocol) -> record."""
    found = [json.loads(path.read_text()) for path in (folder / "board/v1/records").rglob("*.json")]
    return {(record["method"]["name"], record["protocol"]): record for record in found}


def stages(folder: Path, kind: str) -> list[dict]:
    """Those of a kind in the store."""
    found = [json.loads(path.read_text()) for path in (folder / "store").rglob("stage.json")]
    return [stage for stage in found if stage["kind"] == kind]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    done = subprocess.run(torchrun(folder), capture_output=True, text=True, check=False, timeout=300, env=ENOUGH)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    command = [BENCH, "run", *SUITE, "--store", str(folder / "store"), "--leaderboard", str(folder / "board")]
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=ENOUGH)
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


def test_given_again_nothing_runs(two):
    again = subprocess.run(torchrun(two[0]), capture_output=True, text=True, check=False, timeout=300, env=ENOUGH)
    assert again.returncode == 0 and "0 trainings run" in again.stdout, again.stderr[-2000:]


LONG = ("-m", "random", "--seeds", "0", "--epochs", "16", "--protocol", "scratch-e")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(torchrun(folder, suite=LONG), check=True, capture_output=True, timeout=300, env=ENOUGH)
    return folder


def in_training(process: subprocess.Popen, folder: Path) -> None:
    """Wait until the last epoch of some training is kept."""
    ends = time.monotonic() + 120
    while not list((folder / "store").rglob("checkpoint.json")):
        assert process.poll() is None and time.monotonic() < ends, process.communicate()
        time.sleep(0.02)


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


def same_results(folder: Path, undisturbed: Path) -> None:
    """The same bits, each training once."""
    got, wanted = records(folder), records(undisturbed)
    assert {key: record["digests"] for key, record in got.items()} == {key: record["digests"] for key, record in wanted.items()} and got
    assert len(stages(folder, "train")) == len(stages(undisturbed, "train"))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_lost_rank_is_started_again_and_the_training_goes_on(rank, tmp_path, undisturbed):
    process = subprocess.Popen(torchrun(tmp_path, "--max-restarts", "1", suite=LONG), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENOUGH)
    in_training(process, tmp_path)
    os.kill(pid_of(rank, process.pid), signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err[-3000:]
    assert "goes on after epoch" in err + out
    same_results(tmp_path, undisturbed)


def test_ctrl_c_keeps_how_far_it_has_come(tmp_path, undisturbed):
    process = subprocess.Popen(torchrun(tmp_path, suite=LONG), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENOUGH, start_new_session=True)
    in_training(process, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode not in (0, None) and not records(tmp_path)
    again = subprocess.run(torchrun(tmp_path, suite=LONG), capture_output=True, text=True, check=False, timeout=300, env=ENOUGH)
    assert again.returncode == 0 and "goes on after epoch" in again.stderr + again.stdout, again.stderr[-2000:]
    same_results(tmp_path, undisturbed)


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

    def sparse_training(self):
        return Apart()

    def select(self, net, data, budget):
        return Selection({group.name: list(range(budget.keep(group))) for group in net.groups})
"""


def test_what_fails_in_all_ranks_is_one_failed_cell_and_the_others_go_on(tmp_path):
    (tmp_path / "pulls.py").write_text(PULLS)
    suite = ("-m", f"{tmp_path / 'pulls.py'}:Pulls", "-m", "random", "--seeds", "0", "--epochs", "2", "--protocol", "scratch-e")
    done = subprocess.run(torchrun(tmp_path, suite=suite), capture_output=True, text=True, check=False, timeout=300, env=ENOUGH)
    assert "failed (method_error)" in done.stdout and "differs between the 2 ranks" in done.stdout, done.stdout + done.stderr
    assert [key[0] for key in records(tmp_path)] == ["random"]


def test_settings_that_say_nothing_there_are_refused(tmp_path):
    done = subprocess.run([*torchrun(tmp_path), "--jobs", "2"], capture_output=True, text=True, check=False, timeout=300, env=ENOUGH)
    assert done.returncode and "processes that train together run one stage at a time" in done.stderr


def test_torchrun_says_who_trains_together_and_nobody_else():
    assert among_of({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}) == Among() == settings_of().among
    assert among_of({"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "TORCHELASTIC_RESTART_COUNT": "2"}) == Among(3, 4, 1, 2)


def test_each_process_has_a_gpu_of_its_own():
    assert Among(1, 2, 1).placed(Machine()) == Machine(ranks=2)
    with pytest.raises(BenchError, match="has no GPU of its own"):
        Among(99, 100, 99).placed(Machine("cuda"))
