"""Sweeps on a real Ray cluster of three nodes on this machine: one is killed, a method fails, the command is interrupted."""
from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchbase.cli import main
from benchbase.errors import BenchError
from benchbase.flow.do import Event, Running
from benchbase.flow.frontier import Room
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.plugin.manager import load_plugins
from benchbase.values.spec import Suite

OWN = Path(__file__).parents[2] / "flow" / "own_methods.py"
LONG = ("-m", "l1-norm", "--protocol", "one-shot", "--seeds", "0", "--epochs", "8", "--device", "cpu")
EPOCHS = 24  # so many that a node killed in the first half of its training cannot have stored it when that is told
SWEEP = Suite(methods=("l1-norm", f"{OWN}:Broken"), datasets=("synthetic[train=480,test=96]",), budgets=("0.5",), protocols=("one-shot", "scratch-e"), seeds=(0, 1),
              recipe={"epochs": EPOCHS})


def raylets():
    """Ids of the processes of Ray's nodes on this machine."""
    return set(subprocess.run(["pgrep", "-x", "raylet"], capture_output=True, text=True, check=False).stdout.split())


@pytest.fixture(scope="module")
def cluster():
    """Three nodes of one processor each. They outlive the test that kills one by one less."""
    pytest.importorskip("ray")
    load_plugins().executor("ray")
    from benchbase_plugins.executors.on_ray import imported

    imported()
    from ray.cluster_utils import Cluster

    before, environment = raylets(), pytest.MonkeyPatch()
    environment.setenv("RAY_worker_niceness", "0")  # else what else runs on a busy machine, as other tests do, goes before them
    node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(2):
            made.add_node(num_cpus=1, object_store_memory=100 << 20)
        yield made
    finally:
        made.shutdown()
        environment.undo()
    assert raylets() == before


@pytest.fixture
def settings(tmp_path, cluster):
    def make(name, **changes):
        root = tmp_path / name
        own = Settings(root / "store", tmp_path / "data", root / "board", device="cpu", executor="ray", address=cluster.address)
        return replace(own, **changes)
    return make


def facts(board):
    """What records say of results, by protocol and seed."""
    rows = [json.loads(p.read_text()) for p in sorted(board.rglob("*.json")) if p.parent.name != "failed"]
    return {(r["method"]["name"], r["protocol"], r["seed"]): (r["metrics"], r["unpruned"], r["digests"], r["correct"], r["shared_with"]) for r in rows}


def busy(node):
    """Whether a worker of a node is at a task: Ray says so in the process's title."""
    parent = node.all_processes["raylet"][0].process.pid
    children = subprocess.run(["ps", "--ppid", str(parent), "-o", "args="], capture_output=True, text=True, check=False).stdout
    return "ray::run" in children


def test_a_sweep_ends_as_in_one_process_though_a_node_is_killed_amid_a_training(cluster, settings, capfd):
    """What the method raises is its result, and runs once; what the node takes with it runs again."""
    told, killed, parts = [], [], {}

    def watch(item):
        told.append(item)
        if item.kind == "train":
            parts[item.key] = item.done
        amid = item.kind == "train" and 0 < item.done < 1 and all(part < 0.5 or part == 1 for part in parts.values())
        if amid and not killed and (victim := next(filter(busy, cluster.worker_nodes), None)):
            killed.append(victim)
            cluster.remove_node(victim, allow_graceful=False)

    sweep = run_suite(SWEEP, settings("ray"), observe=told.append, watch=watch)
    assert killed and capfd.readouterr().out == ""
    begun = {kind: Counter(item.key for item in told if isinstance(item, Running) and item.kind == kind and item.done == 0 and not item.note)
             for kind in ("train", "prune")}
    trained = [item.key for item in told if isinstance(item, Event) and item.kind == "train" and not item.cached]
    assert len(begun["train"]) == 4 <= begun["train"].total() <= 5 and begun["prune"].total() == len(begun["prune"]) == 4, begun
    assert len(trained) == len(set(trained)) == sweep.trained == 4
    assert {item.done for item in told if isinstance(item, Running) and item.kind == "train"} >= {epoch / EPOCHS for epoch in range(EPOCHS + 1)}
    assert [(kind, "this method does not work" in what) for _, kind, what in sweep.failures] == [("method_error", True)] * 2
    assert (sweep.exit_code, len(set(sweep.records)), len(set(sweep.lost))) == (1, 4, 2)
    run_suite(SWEEP, settings("here", executor="serial", address=""))
    store = settings("ray").store
    assert facts(store.parent / "board") == facts(settings("here").leaderboard) and not list(store.glob("*/.*-*"))


def test_ctrl_c_leaves_a_checkpoint_and_the_same_command_goes_on(cluster, settings, tmp_path, monkeypatch):
    """Interrupted on a Ray of its own, which goes away with it; gone on with on the cluster."""
    monkeypatch.setenv("BENCH_CSV", str(tmp_path / "csv"))
    own, before = settings("cut"), raylets()
    command = ("run", *LONG, "--store", str(own.store), "--leaderboard", str(own.leaderboard), "--data", str(own.data), "--executor", "ray")
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from benchbase.cli import main; sys.exit(main(sys.argv[1:]))"
    started = subprocess.Popen([sys.executable, "-c", code, *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        until(lambda: len(epochs(tmp_path)) >= 2 or started.poll() is not None, 90)
        os.kill(started.pid, signal.SIGINT)
        _, said = started.communicate(timeout=60)
    finally:
        started.kill()
    assert started.returncode == 130 and "interrupted (Ctrl-C)" in said and "Traceback" not in said, said
    assert raylets() == before and len(list((own.store / "checkpoints").glob("*/checkpoint.json"))) == 1
    first = epochs(tmp_path)
    assert 2 <= max(first) < 8
    assert main([*command, "--address", cluster.address, "-q"]) == 0
    second = epochs(tmp_path)[len(first):]
    assert second == list(range(second[0], 9)) and 1 < second[0] <= max(first) + 2, (first, second)  # short epochs are not each held; the last may be untold
    plain = settings("plain")
    assert main([*command[:-2], "-q", "--store", str(plain.store), "--leaderboard", str(plain.leaderboard)]) == 0
    assert facts(own.leaderboard) == facts(plain.leaderboard) and len(facts(own.leaderboard)) == 1


def epochs(folder):
    """Numbers of the epochs that were told of."""
    file = folder / "csv" / "epochs.csv"
    return [int(row["epoch"]) for row in csv.DictReader(file.read_text().splitlines())] if file.exists() else []


def until(true, seconds):
    """Wait for it."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.parametrize(("address", "says"), [("127.0.0.1:1", "no Ray cluster at 127.0.0.1:1: Connection refused"), ("nowhere", "is no address")])
def test_no_cluster_at_an_address_is_said_at_once(address, says, capfd, tmp_path):
    pytest.importorskip("ray")
    started = time.monotonic()
    assert main(["run", *LONG, "--store", str(tmp_path / "s"), "--leaderboard", str(tmp_path / "b"), "--executor", "ray", "--address", address]) == 2
    said = capfd.readouterr().err
    assert says in said and "Traceback" not in said and time.monotonic() - started < 30, said


def test_what_ray_says_of_a_cluster_that_is_not_there_is_passed_on_and_signals_stay_as_they_were():
    from benchbase_plugins.executors.on_ray import connected

    def init(**options):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise ConnectionError("Could not find any running Ray instance.\nMore")

    closed = []
    ray = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: closed.append(1), _private=SimpleNamespace(worker=SimpleNamespace()))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(BenchError, match="no Ray cluster at auto: Could not find any running Ray instance."), connected(ray, room(address="auto")):
        pass
    assert closed == [1] and signal.getsignal(signal.SIGTERM) == before


def test_without_ray_the_error_says_what_to_install(monkeypatch, capfd, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["run", *LONG, "--store", str(tmp_path / "s"), "--leaderboard", str(tmp_path / "b"), "--executor", "ray"]) == 2
    said = capfd.readouterr().err
    assert "the executor ray needs ray, which is not installed" in said and "pip install 'benchbase[ray]'" in said


def room(**changes):
    return replace(Room(1, 0, 0, "", 1, 1.0, {}), **changes)


def test_what_no_node_has_is_said_before_anything_waits():
    from benchbase_plugins.executors.on_ray import check_nodes

    nodes = [{"Alive": True, "Resources": {"CPU": 4.0, "memory": 8e9}}, {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0, "memory": 8e10}}]
    check_nodes(nodes, room(cpus=4, memory=8 * 10**9))
    for asked, says in [({"cpus": 5}, "5 CPU"), ({"gpus": 1}, "1 GPU"), ({"memory": 9 * 10**9}, "9,000,000,000 memory")]:
        with pytest.raises(BenchError, match=f"no node of the cluster has what a stage takes: .*{says}"):
            check_nodes(nodes, room(**asked))


class FakeRay:
    """Tasks that end as they are told to: what Ray raises when a machine is at fault can't be had on demand."""

    def __init__(self, *ends):
        import ray.exceptions

        self.exceptions, self.ends, self.ran = ray.exceptions, list(ends), 0

    def wait(self, refs, **options):
        return refs[:1], refs[1:]

    def get(self, ref):
        if ref == "told":
            return []
        self.ran += 1
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


@pytest.fixture
def outcome():
    pytest.importorskip("ray")
    from benchbase_plugins.executors.on_ray import Tasks

    def run(*ends):
        """(what comes of one stage whose tasks end so, how many ran)"""
        fake, tasks = FakeRay(*ends), object.__new__(Tasks)
        tasks._ray, tasks._steps, tasks._lost, tasks._tell, tasks._opening = fake, {}, Counter(), None, None
        tasks._inbox = SimpleNamespace(take=SimpleNamespace(remote=lambda: "told"))
        tasks._task = SimpleNamespace(remote=lambda opening, step: object())
        step = SimpleNamespace(kind="train", label="base", key="k")
        tasks.give(step)
        ((same, came),) = tasks.ended()
        assert same is step and not tasks._steps
        return came, fake.ran
    return run


def test_only_what_befell_the_machinery_is_tried_again(outcome):
    from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

    assert outcome(WorkerCrashedError(), NodeDiedError("gone"), "done") == ("done", 3)
    came, ran = outcome(*[WorkerCrashedError() for _ in range(9)])
    assert (came.kind, ran) == ("infra_error", 4) and "lost 4 times (WorkerCrashedError)" in came.what
    came, ran = outcome(OutOfMemoryError("killed"), "done")
    assert (came.kind, ran) == ("oom", 1) and "out of memory: train base" in came.what
    came, ran = outcome(RayTaskError("run", "trace", ValueError("odd")), "done")
    assert (came.kind, ran) == ("infra_error", 1) and "ValueError: odd" in came.what
    came, ran = outcome(RayTaskError("run", "trace", ModuleNotFoundError("No module named 'benchbase_plugins'")), "done")
    assert (came.kind, ran) == ("usage", 1) and "every node" in came.todo
