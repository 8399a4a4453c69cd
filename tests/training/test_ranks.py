"""Two real processes, started by torchrun, that talk by gloo, against one."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import by_ranks
import pytest
import torch
from safetensors.torch import load_file

from benchbase.errors import BenchError
from benchbase.training.machine import Machine
from benchbase.training.ranks import Ranks, leave, meet, normalised, ranks_of

EXACT = ("plain", "resumed", "masked", "single images")


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """The folder with what two ranks made."""
    folder = tmp_path_factory.mktemp("two")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", by_ranks.__file__, str(folder)]
    done = subprocess.run(torchrun, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def one() -> dict[str, dict[str, torch.Tensor]]:
    """What one process makes."""
    machine = Machine(memory_format="contiguous")
    machine.prepare()
    return by_ranks.cases(machine)


@pytest.mark.parametrize("case", EXACT)
def test_two_ranks_equal_one_process(one, two, case):
    """Up to the order of sums, in weights, running statistics and losses, over some steps that move them far more than that."""
    together = load_file(two / f"{case}-0.safetensors")
    begun = by_ranks.network().state_dict()
    assert together.keys() == one[case].keys()
    for name, tensor in one[case].items():
        torch.testing.assert_close(together[name], tensor, atol=3e-5, rtol=3e-4, msg=lambda m, name=name: f"{name}: {m}")
    assert (together["conv.weight"] - begun["conv.weight"]).abs().max() > 0.001
    assert torch.equal(together["unused.weight"], begun["unused.weight"]), "no decay reaches what has no gradient"
    assert int(together["norm.num_batches_tracked"]) == int(one[case]["norm.num_batches_tracked"]) > 3


@pytest.mark.parametrize("case", [*EXACT, "dropout"])
def test_both_ranks_end_with_the_same_bits(two, case):
    first, second = (load_file(two / f"{case}-{rank}.safetensors") for rank in range(2))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_dropout_draws_its_own_numbers_in_each_rank(one, two):
    together = load_file(two / "dropout-0.safetensors")
    assert not torch.allclose(together["conv.weight"], one["dropout"]["conv.weight"], atol=1e-4)
    assert together["losses"].tolist() == pytest.approx(one["dropout"]["losses"].tolist(), rel=0.1)


def test_a_resumed_training_equals_one_never_interrupted(two):
    whole, resumed = (load_file(two / f"{name}-0.safetensors") for name in ("plain", "resumed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole if name != "losses")
    assert resumed["losses"].tolist() == whole["losses"].tolist()[2:]


def test_removed_weights_are_zero(two):
    weights = load_file(two / "masked-1.safetensors")["conv.weight"].flatten()
    assert torch.equal(weights == 0, torch.arange(len(weights)) % 3 == 0)


def test_a_callback_that_pulls_the_ranks_apart_is_named_in_all_of_them(two):
    for rank in range(2):
        said = (two / f"apart-{rank}").read_text()
        assert said.startswith("method_error: ") and "differs between the 2 ranks of a training after epoch 1" in said


@pytest.mark.skipif(sys.platform != "linux", reason="threads are seen in /proc")
def test_no_thread_that_the_ranks_talk_by_outlives_their_group(two):
    """One that lets go of a tensor while the interpreter ends aborts the process: a failed rank, after all was done."""
    for rank in range(2):
        threads = (two / f"threads-{rank}").read_text().splitlines()
        assert threads and not [name for name in threads if "gloo" in name], threads


def test_ranks_that_have_not_met_train_nothing():
    with pytest.raises(BenchError, match="which have not met"):
        ranks_of(Machine(ranks=2))
    assert ranks_of(Machine()) == Ranks(0, 1)


def test_parts_of_a_batch_are_the_batch():
    batch = torch.arange(7)
    parts = [Ranks(rank, 3).part(batch).tolist() for rank in range(3)]
    assert parts == [[0, 3, 6], [1, 4], [2, 5]] and Ranks(2, 3).part(batch[:2]).numel() == 0


def test_more_ranks_are_another_machine_and_one_is_as_before():
    assert Machine(ranks=1).identity == Machine().identity and Machine(ranks=2).identity != Machine().identity
    assert not Machine("cuda", ranks=2).records


@pytest.mark.parametrize("norm", [torch.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3, momentum=None), torch.nn.BatchNorm2d(3, affine=False),
                                  torch.nn.BatchNorm2d(3, track_running_stats=False)])
def test_the_norm_of_a_group_of_one_is_torchs(norm, alone):
    """Values and gradients to float64's precision, running statistics too, in train and in eval mode."""
    norm = norm.double()
    other = type(norm)(3, norm.eps, norm.momentum, norm.affine, norm.track_running_stats).double()
    x = torch.randn(4, 3, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 + 50
    weight = torch.rand(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    for mode in (True, True, False):
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        ours, theirs = normalised(norm.train(mode), a), other.train(mode)(b)
        for y in (ours, theirs):
            (y * weight).sum().backward()
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(a.grad, b.grad)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(norm.state_dict()[name], value)


@pytest.fixture
def alone(tmp_path):
    """A process group of this process."""
    meet("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    yield
    leave()
