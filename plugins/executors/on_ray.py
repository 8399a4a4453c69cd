"""A sweep on a Ray cluster, or on a local Ray that is started for it: every stage is a task, on whatever node has room.

The store is a folder that all nodes share. Only what befalls the machinery is tried again (a worker or a node that is lost); what a stage
raises is its result. Needs `pip install 'benchbase[ray]'`, the same on every node.
"""
from __future__ import annotations

import os
import re
import signal
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchbase import BenchError, hookimpl

from ._ray_worker import Inbox, Opening, Sender, run

TRIES = 4  # of a stage whose worker is lost each time
PAUSE = 0.5  # seconds between two looks at how far the workers are
REACH = 5.0  # seconds that a cluster has to answer at its address
LOST = ("WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError", "ObjectLostError")
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
SHARED = 100 << 20  # bytes of a local Ray's shared memory: only names and numbers go through it


class Ray:
    """Stages as tasks of Ray, on a cluster (--address) or on this machine."""

    name = "ray"

    @contextmanager
    def pool(self, make: Callable[[Any], Any], room: Any, tell: Callable[[Any], None]) -> Iterator[Tasks]:
        """The tasks of a sweep. Whatever ends it early, those at work are interrupted, have `room.grace` seconds, and are killed."""
        ray = imported()
        with connected(ray, room):
            check_nodes(ray.nodes(), room)
            tasks = Tasks(ray, make, room, tell)
            try:
                yield tasks
            finally:
                tasks.stop(room.grace)


class Tasks:
    """The stages of a sweep that are at work, or wait for room."""

    def __init__(self, ray: Any, make: Callable[[Any], Any], room: Any, tell: Callable[[Any], None]) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray, self._tell = ray, tell
        self._steps: dict[Any, Any] = {}
        self._lost = Counter[str]()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)  # it lives as long as the command
        self._inbox = ray.remote(Inbox).options(num_cpus=0, scheduling_strategy=here).remote()
        self._opening = ray.put(Opening(uuid.uuid4().hex, make, Sender(self._inbox), Path.cwd()))
        self._task = ray.remote(run).options(num_cpus=room.cpus, num_gpus=room.gpus, memory=room.memory or None, max_retries=0,
                                             runtime_env={"env_vars": dict(room.environment)})

    def give(self, step: Any) -> None:
        """Take one more."""
        self._steps[self._task.remote(self._opening, step)] = step

    def ended(self) -> list[tuple[Any, Any]]:
        """Those that have ended since this was last called, at least one: (step, what came of it)."""
        ended: list[tuple[Any, Any]] = []
        while not ended:
            ready, _ = self._ray.wait(list(self._steps), num_returns=1, timeout=PAUSE)
            for item in self._told():
                self._tell(item)
            for ref in ready:
                step = self._steps.pop(ref)
                try:
                    ended.append((step, self._ray.get(ref)))
                except Exception as error:  # noqa: BLE001 -- of the machinery, or of its user's code: told as the stage's
                    if lost(error) and self._lost[step.key] < TRIES - 1:
                        self._lost[step.key] += 1
                        self.give(step)
                    else:
                        ended.append((step, as_failure(error, f"{step.kind} {step.label}")))
        return ended

    def stop(self, grace: float) -> None:
        """Interrupt what is at work, so that it keeps how far it has come; kill what is not gone after so many seconds."""
        left, self._steps = list(self._steps), {}
        try:
            for ref in reversed(left):  # those that wait first: none is to begin now
                self._ray.cancel(ref)
            if left:
                _, left = self._ray.wait(left, num_returns=len(left), timeout=grace)
                for item in self._told():  # how far they came in the end
                    self._tell(item)
        finally:
            for ref in left:
                with suppress(Exception):
                    self._ray.cancel(ref, force=True)

    def _told(self) -> list[Any]:
        try:
            told: list[Any] = self._ray.get(self._inbox.take.remote())
            return told
        except self._ray.exceptions.RayActorError:  # then the sweep goes on unseen
            return []


def names(error: BaseException) -> set[str]:
    """What an error is, by the names of its classes."""
    return {kind.__name__ for kind in type(error).__mro__}


def lost(error: BaseException) -> bool:
    """Whether a task has ended because its worker or its node is gone."""
    return bool(names(error) & set(LOST))


def as_failure(error: BaseException, what: str) -> BenchError:
    """What befell a task as the failure of its stage. A node that cannot run anything of ours is an error of kind "usage"."""
    cause = getattr(error, "cause", None) or error
    first = next(iter(str(cause).splitlines()), "")[:300]
    if "OutOfMemoryError" in names(error):
        return BenchError(f"out of memory: {what}: its node ran short", "ask for more with --stage-memory, or use larger nodes", "oom")
    if lost(error):
        return BenchError(f"{what}: its worker was lost {TRIES} times ({type(error).__name__})", "Ray's logs on the node say more", "infra_error")
    if "ModuleNotFoundError" in names(cause) or "RuntimeEnvSetupError" in names(error) or "No module named" in str(cause):
        return BenchError(f"a node of the cluster cannot run benchbase: {first}", "pip install the same benchbase[ray] and plugins on every node")
    return BenchError(f"{what} failed on its node: {type(cause).__name__}: {first}", "Ray's logs on the node say more", "infra_error")


def imported() -> Any:
    """Ray, that reports nothing to anyone. Raises BenchError where it is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise BenchError(f"the executor ray needs {error.name or 'ray'}, which is not installed", "pip install 'benchbase[ray]'") from None
    return ray


@contextmanager
def connected(ray: Any, room: Any) -> Iterator[None]:
    """Connected to the cluster, or to a Ray on this machine that is gone afterwards. One that this process has open is taken as it is."""
    if ray.is_initialized():
        yield
        return
    if room.address:
        check_address(room.address)
        options = {"address": room.address}
    else:
        options = {"address": "local", "num_cpus": room.cpus * room.jobs, "object_store_memory": SHARED, "include_dashboard": False}
    try:
        with handlers_kept():
            ray._private.worker._worker_logs_enabled = False  # else it prints what its nodes come to on stdout, whatever it is told
            try:
                ray.init(**options, log_to_driver=False, logging_level="ERROR")
            except (OSError, RuntimeError, ValueError) as error:
                where, todo = (f"no Ray cluster at {room.address}", REMEDY) if room.address else ("Ray does not start here", "ray start --head says more")
                raise BenchError(f"{where}: {next(iter(str(error).splitlines()), '')[:200]}", todo) from None
        yield
    finally:
        ray.shutdown()


REMEDY = "start one with `ray start --head`, join this machine to it with `ray start --address HOST:PORT`; or leave --address out"


def check_address(address: str) -> None:
    """Raises BenchError where nothing can be at an address, or nobody answers: Ray itself would try for minutes."""
    if address == "auto":
        return
    match = re.fullmatch(r"\[?([\w.:-]+?)\]?:(\d{1,5})", address)
    if not match:
        raise BenchError(f"--address {address!r} is no address of a Ray cluster", "write auto, or HOST:PORT as `ray start --head` prints it")
    try:
        socket.create_connection((match[1], int(match[2])), REACH).close()
    except (OSError, OverflowError) as error:
        raise BenchError(f"no Ray cluster at {address}: {getattr(error, 'strerror', None) or error}", REMEDY) from None


def check_nodes(nodes: list[dict[str, Any]], room: Any) -> None:
    """Raises BenchError where no node has what a stage takes: it would wait for ever."""
    need = {"CPU": room.cpus, "GPU": room.gpus, "memory": room.memory}
    if not any(node["Alive"] and all(node["Resources"].get(name, 0) >= amount for name, amount in need.items()) for node in nodes):
        takes = ", ".join(f"{amount:,} {name}" for name, amount in need.items() if amount)
        raise BenchError(f"no node of the cluster has what a stage takes: {takes}", "use fewer --threads, less --stage-memory, another --device, or larger nodes")


@contextmanager
def handlers_kept() -> Iterator[None]:
    """What Ctrl-C and SIGTERM do is as before when the block ends: Ray would leave without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@hookimpl
def bench_executors() -> list[Any]:
    return [Ray()]
