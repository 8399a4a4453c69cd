"""Two networks timed for real: what is certain on any machine, and that nothing of them changes."""
from __future__ import annotations

import gc
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from benchbase.training import latency as timing
from benchbase.training.latency import latency
from benchbase.training.machine import Machine


def net(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.Flatten(),
                         nn.Linear(width * 64, 5))


def test_a_tenth_of_the_channels_is_faster_and_nothing_is_changed():
    dense, pruned = net(96).train(), net(8)
    before = {name: t.clone() for name, t in dense.state_dict().items()}
    one = latency(dense, pruned, (3, 8, 8), Machine(), batch=16, pairs=7)
    assert (one.batch, one.mode, len(one.dense), len(one.pruned)) == (16, "eager", 7, 7) and min(*one.dense, *one.pruned) > 0
    assert one.ratio.median < 0.5  # a hundredth of the multiply-adds
    assert dense.training and gc.isenabled() and all(torch.equal(t, before[name]) for name, t in dense.state_dict().items())


def test_a_network_beside_itself_takes_as_long():
    one = latency(net(64), net(64), (3, 8, 8), Machine(), batch=16, pairs=15)
    assert 0.5 < one.ratio.median < 2  # timings of milliseconds, on a machine that may have other work


class Told(nn.Module):
    """Says how it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls = nn.Conv2d(3, 4, 3), []

    def __deepcopy__(self, memo):
        return self

    def forward(self, x):
        y = self.conv(x)
        self.calls.append((tuple(x.shape), self.training, torch.is_grad_enabled(), x.is_contiguous(memory_format=torch.channels_last), y.dtype,
                           torch.get_num_threads(), x.data_ptr()))
        return y


@pytest.mark.parametrize("machine", [Machine(), Machine(memory_format="contiguous"), Machine(precision="bf16", threads=2)])
def test_it_runs_as_the_machine_says_on_one_batch(machine, monkeypatch):
    monkeypatch.setattr(timing, "WARM_SECONDS", 0.0)
    told, threads = Told(), torch.get_num_threads()
    try:
        latency(told, net(4), (3, 8, 8), machine, batch=5, pairs=3)
    finally:
        torch.set_num_threads(threads)
    assert {call[:6] for call in told.calls} == {((5, 3, 8, 8), False, False, machine.memory_format == "auto",
                                                  torch.bfloat16 if machine.precision == "bf16" else torch.float32, machine.threads)}
    assert len({call[6] for call in told.calls}) == 1 and len(told.calls) >= timing.WARM_UP + 3


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled():
    one = latency(net(64), net(8), (3, 8, 8), Machine(), batch=16, mode="compiled", pairs=5)
    assert one.mode == "compiled" and one.ratio.median < 0.8


NO_COMPILER = """from benchbase.errors import BenchError
from test_latency import net
from benchbase.training.latency import latency
from benchbase.training.machine import Machine
try:
    latency(net(5), net(3), (3, 8, 8), Machine(), mode='compiled', pairs=3)
except BenchError as error:
    print(error.kind, '|', error)"""


def test_without_a_compiler_it_says_what_to_install(python, tmp_path):
    """In a process of its own: what torch has found out about compilers it keeps."""
    done = python("-c", NO_COMPILER, path=Path(__file__).parent, CXX="no-such-compiler", TORCHINDUCTOR_CACHE_DIR=str(tmp_path))
    said = done.stdout
    assert said.startswith(f"{timing.NOT_COMPILED} | torch.compile does not work here: ") and "no-such-compiler" in said and "g++" in said, done.stderr


def test_what_fails_without_the_compiler_is_no_fault_of_it():
    with pytest.raises(RuntimeError):
        latency(net(5), nn.Linear(7, 5), (3, 8, 8), Machine(), mode="compiled", pairs=3)
    assert gc.isenabled()
