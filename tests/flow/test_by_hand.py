"""The protocols on a network and loaders of one's own."""
from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import benchbase
from benchbase import BenchError
from benchbase.nets.rebuild import build
from benchbase.nets.seeded import global_state, moved
from benchbase.nets.weights import digest_of
from benchbase.values.digest import seed_of


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two, self.head = nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(torch.relu(self.two(torch.relu(self.norm(self.one(x))))).mean((2, 3)))


def images(count: int, seed: int) -> TensorDataset:
    """Bright left halves and bright right halves."""
    x = torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    y = torch.arange(count) % 2
    x[y == 0, ..., :4] += 1.5
    x[y == 1, ..., 4:] += 1.5
    x[y == 1] *= 1.5
    return TensorDataset(x, y)


TRAIN, TEST = DataLoader(images(128, 0), 16, shuffle=True), DataLoader(images(65, 1), 32)
HOW = {"recipe": {"epochs": 2, "lr": 0.05}, "finetune": {"epochs": 1}, "device": "cpu"}


@pytest.fixture(scope="module")
def dense() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net()
        optimiser = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
        for _ in range(6):
            for x, y in TRAIN:
                optimiser.zero_grad()
                nn.functional.cross_entropy(net(x), y).backward()
                optimiser.step()
    return net.train()


@pytest.fixture(scope="module")
def pruned(dense):
    return benchbase.prune(dense, "l1-norm", 0.5, example=torch.zeros(2, 1, 8, 8))


def accuracy(net: nn.Module) -> float:
    x, y = TEST.dataset.tensors
    with torch.no_grad():
        return 100 * float((net.eval()(x).argmax(1) == y).double().mean())


def test_every_protocol_beside_the_network_as_it_is(dense, pruned):
    before, state = (digest_of(dense.state_dict()), digest_of(pruned.model.state_dict()), dense.training), global_state()
    told = []
    found = benchbase.run_protocols(pruned, dense, TRAIN, TEST, model=Net, seeds=(0, 1), watch=lambda *what: told.append(what), **HOW)
    assert (digest_of(dense.state_dict()), digest_of(pruned.model.state_dict()), dense.training) == before and moved(state, global_state()) == ""
    assert [(r.protocol, r.epochs, len(r.top1)) for r in found] == [
        ("unpruned", 0, 1), ("one-shot", 0, 1), ("one-shot, BN recomputed", 0, 1), ("finetune", 1, 2), ("scratch-e", 2, 2),
        ("scratch-b", int(2 * pruned.report["macs"]["dense"] / pruned.report["macs"]["pruned"]), 2)]
    assert found["one-shot"].top1 == (accuracy(pruned.model),)
    dense_top1 = accuracy(dense)
    dense.train()
    assert found["unpruned"].top1 == (dense_top1,) and dense_top1 > 90
    assert told[:2] == [("finetune seed 0", 1.0), ("finetune seed 1", 1.0)] and told[2:4] == [("scratch-e seed 0", 0.5), ("scratch-e seed 0", 1.0)]
    again = benchbase.run_protocols(pruned, dense, TRAIN, TEST, ("scratch-e",), model=Net, seeds=(1,), **HOW)
    assert again["scratch-e"].loss[0] == found["scratch-e"].loss[1] != found["scratch-e"].loss[0]


def test_scratch_begins_with_fresh_weights_of_its_seed(dense, pruned):
    """With no epochs to train, what is measured is the start itself."""
    found = benchbase.run_protocols(pruned, dense, TRAIN, TEST, ("scratch-e",), {"epochs": 0}, model=Net, seeds=(4,), device="cpu")
    start = build(pruned.architecture, seed_of(4, "scratch", pruned.architecture.digest), model=Net)
    assert found["scratch-e"].top1 == (accuracy(start),)


def test_masks_hold(dense):
    masked = benchbase.prune(dense, "magnitude", 0.8, example=torch.zeros(2, 1, 8, 8))
    found = benchbase.run_protocols(masked, dense, TRAIN, TEST, ("finetune", "scratch-b"), model=Net, **HOW)
    assert found.pruned.nonzero < 0.5 * found.dense.params and found.pruned.params == found.dense.params
    assert found["scratch-b"].epochs == int(2 * found.dense.macs / found.pruned.macs_nonzero)


@pytest.mark.parametrize(("arguments", "what"), [
    ({"protocols": ("rewind",)}, "before it was trained"), ({"protocols": ("scratch-matched",)}, "what pruning cost"),
    ({"protocols": ("scratch-c",)}, "unknown protocol"), ({}, "needs fresh weights"), ({"recipe": {"epoch": 3}}, "unknown recipe field"),
    ({"seeds": ()}, "no seeds"), ({"seeds": (0.5,)}, "no seeds"), ({"device": "tpu"}, "unknown device"), ({"test": []}, "the test loader")])
def test_what_is_wrong_is_said_before_anything_is_trained(dense, pruned, arguments, what):
    told = []
    with pytest.raises(BenchError, match=what):
        benchbase.run_protocols(pruned, dense, TRAIN, **{"test": TEST, "device": "cpu", "watch": lambda *what: told.append(what), **arguments})
    assert not told


def test_a_pruned_network_shows_itself(pruned):
    shown = pruned._repr_html_()
    assert f"<td>{pruned.report['macs']['pruned']:,}</td>" in shown and "Net</caption>" in shown
