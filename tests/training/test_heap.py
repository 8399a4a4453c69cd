"""Page faults of a process that allocates and frees, and memory that a limited stage finds given back."""
from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="glibc keeps memory")
CODE = """
import resource, sys
from benchbase.flow.limits import held
from benchbase.training import heap
from benchbase.training.machine import Machine
import torch
from torch import nn

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

layers = [layer for i in range(6) for layer in (nn.Conv2d(16 if i else 3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())]
net, x = nn.Sequential(*layers), torch.randn(64, 3, 32, 32)

def step():
    net(x).sum().backward()

torch.set_num_threads(1)
if sys.argv[1] == "kept":
    Machine().prepare()
step()
step()
before = faults()
for _ in range(10):
    step()
taken, full = faults() - before, held()
heap.give_back()
print(taken, full - held())
"""


def figures(way: str) -> tuple[int, int]:
    done = subprocess.run([sys.executable, "-c", CODE, way], capture_output=True, text=True, check=True)
    taken, given = done.stdout.split()
    return int(taken), int(given)


def test_a_prepared_machine_takes_the_same_pages_at_every_step_and_can_give_them_back():
    (kept, given), (usual, _) = figures("kept"), figures("as it comes")
    assert kept < usual / 3 and given > 8 << 20
