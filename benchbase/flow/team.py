"""Who trains with this process: nobody, or those that torchrun has started beside it."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from benchbase.errors import BenchError, raised
from benchbase.flow.course import Course
from benchbase.flow.do import LASTING

IDLE = timedelta(days=30)  # that others may wait while rank 0 prunes and measures
PARTING = timedelta(minutes=10)  # after a training; longer than a rank may be behind the others


@dataclass(frozen=True)
class Among:
    """Where a process stands among those that torchrun has started. rank: of all, from 0.  count: of all.  local: on its machine, from 0.
    attempt: how often they have been started before."""

    rank: int = 0
    count: int = 1
    local: int = 0
    attempt: int = 0

    def placed(self, machine: Any) -> Any:
        """`machine` as one of theirs: each has a GPU of its own. Raises BenchError where there are not that many."""
        if self.count == 1 or machine.device == "cpu":
            return replace(machine, ranks=self.count)
        import torch

        if self.local >= torch.cuda.device_count():
            raise BenchError(f"process {self.local + 1} of this machine has no GPU of its own: {torch.cuda.device_count()} are here",
                             "start as many processes as there are GPUs, or say --device cpu")
        return replace(machine, device=f"cuda:{self.local}", ranks=self.count)


def among_of(environment: Mapping[str, str]) -> Among:
    """Where torchrun has put this process; alone where something else has started it, whatever other variables say."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return Among()
    return Among(*(int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT")))


class Alone:
    """Trainings by one process."""

    @contextmanager
    def called(self, course: Course) -> Iterator[None]:
        """Around a training: those who take part have been told of it."""
        yield

    def same(self, value: Any) -> Any:
        """`value` as rank 0 has it."""
        return value


ALONE = Alone()


class Team:
    """Trainings by several processes, which have met. What they tell each other beside tensors goes by a group of its own, which may be idle for long.

    whole: False once they have parted in the middle of a training; then nothing more is told.
    """

    def __init__(self, among: Among) -> None:
        from torch import distributed

        self.among, self.whole = among, True
        self._words: Any = distributed.new_group(backend="gloo", timeout=IDLE)

    @contextmanager
    def called(self, course: Course) -> Iterator[None]:
        """Tell the others of a training, and end it with them. What fails in all of them alike is one failed stage. Else, one has failed where the
        others go on and wait for it: KeyboardInterrupt, which ends the sweep and keeps the last epoch."""
        if self.among.rank == 0:
            self.same((course.sweep, course.key))
        try:
            yield
        except BenchError as error:
            if error.kind not in LASTING:
                self._parted(error)
            self._gather()
            raise
        except KeyboardInterrupt:
            self.whole = False
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever it is, the others wait
            self._parted(error)
        self._gather()

    def same(self, value: Any) -> Any:
        """`value` as rank 0 has it; plain data and tensors."""
        from torch import distributed

        told = [value]
        try:
            distributed.broadcast_object_list(told, src=0, group=self._words)
        except RuntimeError as error:
            self._parted(error)
        return told[0]

    def _gather(self) -> None:
        from torch import distributed

        try:
            distributed.monitored_barrier(self._words, PARTING)
        except RuntimeError as error:
            self._parted(error)

    def _parted(self, error: BaseException) -> None:
        self.whole = False
        raise KeyboardInterrupt(f"the ranks of a training parted: {raised(error)}"[:300]) from error


@contextmanager
def joined(among: Among, device: str) -> Iterator[Team]:
    """Meet the others, and let them go at the end. device: that trainings run on, "cpu" or a GPU."""
    import torch
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # torch documents it
    from torch.distributed.rendezvous import rendezvous

    from benchbase.training.ranks import leave, meet

    if device != "cpu":
        torch.cuda.set_device(among.local)
    meeting, rank, count = next(rendezvous("env://"))
    own = PrefixStore(f"attempt {among.attempt}", meeting)  # torchrun's keeps the addresses of processes that it has started before
    meet("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl", store=own, rank=rank, world_size=count)
    team = Team(among)
    yield team
    if not team.whole:
        return  # the others wait in a training for what does not come: torchrun ends them when this process ends
    if among.rank == 0:
        team.same(None)
    del team._words  # the caller still has the team, and a group that is held does not end
    leave()
