from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.training.machine import Machine, machine_of
from benchbase.values.digest import digest


def test_narrow_networks_run_channels_last_and_wide_ones_do_not():
    narrow, wide = nn.Sequential(nn.Conv2d(3, 256, 1)), nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 257, 1))
    assert Machine().format_of(narrow) == torch.channels_last
    assert Machine().format_of(wide) == torch.contiguous_format
    assert Machine().format_of(nn.Linear(2, 2)) == torch.contiguous_format
    assert Machine(memory_format="contiguous").format_of(narrow) == torch.contiguous_format
    assert Machine(memory_format="channels_last").format_of(wide) == torch.channels_last


def test_placing_leaves_plain_weights():
    model = nn.Sequential(nn.Conv2d(3, 8, 3))
    before = model[0].weight.detach().clone()
    with Machine().placed(model):
        assert not model[0].weight.is_contiguous()
    assert model[0].weight.is_contiguous() and torch.equal(model[0].weight, before)


def test_prepare_sets_the_threads():
    threads = torch.get_num_threads()
    try:
        Machine(threads=2).prepare()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_which_gpu_is_no_part_of_the_identity():
    assert Machine("cuda:0").identity == Machine("cuda:1").identity != Machine("cpu").identity
    assert Machine(threads=2).identity != Machine().identity != Machine(precision="bf16").identity
    assert digest(Machine().identity) == digest(Machine().identity)


@pytest.mark.parametrize("device", ["gpu", "cpu:1", "cuda:x", "cuda:", ""])
def test_unknown_devices(device):
    if device == "cuda:" and torch.cuda.is_available():
        pytest.skip("reads as cuda")
    with pytest.raises(BenchError):
        machine_of(device)


def test_a_gpu_that_is_not_there():
    with pytest.raises(BenchError, match="cuda:99"):
        machine_of("cuda:99")


def test_auto_takes_what_is_there():
    made = machine_of()
    assert made.device == ("cuda" if torch.cuda.is_available() else "cpu") and machine_of("cpu") == Machine()


@pytest.mark.parametrize("fields", [{"precision": "fp8"}, {"memory_format": "blocked"}, {"threads": 0}])
def test_wrong_fields(fields):
    with pytest.raises(BenchError):
        Machine(**fields)
