"""A layer that reads a part of a shared stream: cut, proved, counted, written, rebuilt and read again."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.cost import cost
from benchbase.nets.folder import read_folder, write_folder
from benchbase.nets.foresee import foresee
from benchbase.nets.graph import read
from benchbase.nets.method import Method
from benchbase.nets.net import Net
from benchbase.nets.prune import prune
from benchbase.nets.reads import KINDS, ReadingConv2d, ignore_, read_
from benchbase.nets.rebuild import build
from benchbase.values.architecture import architecture_of
from benchbase.values.budget import Budget, budget_of
from benchbase.values.selection import Selection

X = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


class Blocks(nn.Module):
    """A stem, two residual blocks on its stream (the second reads it through a norm), a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a1, self.a2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 1)
        self.norm, self.b1, self.b2 = nn.BatchNorm2d(8), nn.Conv2d(8, 5, 1, bias=False), nn.Conv2d(5, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = x + self.a2(functional.relu(self.a1(x)))
        x = x + self.b2(functional.relu(self.b1(functional.relu(self.norm(x)))))
        return self.head(x.mean((2, 3)))


@dataclass(frozen=True)
class Reader(Method):
    """Keeps the first channels of each group and reads what the test says."""

    given: Any = field(default=None, compare=False)
    name: ClassVar[str] = "reader"
    gathers: ClassVar[bool] = True

    def select(self, net, data, budget):
        return Selection({g.name: range(budget.keep(g)) for g in net.groups}, self.given)


READS = {"a1": (0, 3, 4, 7), "b1": (1, 2, 6)}
BUDGET = Budget(ratio=0.5, scope="inner", reads={"a1": 4, "b1": 3})


def randomised() -> Blocks:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Blocks()
        nn.init.uniform_(model.norm.weight, 0.5, 1.5)
        nn.init.normal_(model.norm.bias)
    return model.eval()


@pytest.mark.parametrize(("kind", "x"), [(nn.Conv1d, torch.randn(2, 6, 9)), (nn.Conv2d, torch.randn(2, 6, 9, 9)),
                                         (nn.Conv3d, torch.randn(2, 6, 5, 5, 5)), (nn.Linear, torch.randn(2, 7, 6))])
def test_each_kind_computes_on_its_channels_alone(kind, x):
    layer = kind(6, 4) if kind is nn.Linear else kind(6, 4, 3, padding=1, stride=2, padding_mode="circular")
    model, dim, kept = nn.Sequential(layer), 2 if kind is nn.Linear else 1, [1, 4, 5]
    hidden = torch.zeros(6)
    hidden[kept] = 1
    wanted = layer(x * hidden.reshape([-1 if d == dim else 1 for d in range(x.dim())]))
    parameter = layer.weight
    read_(model, {"0": kept})
    assert type(layer) is KINDS[kind] and torch.allclose(model(x), wanted, atol=1e-6) and parameter is not layer.weight
    assert torch.equal(layer.weight, parameter[:, kept]) and (layer.in_features if kind is nn.Linear else layer.in_channels) == 3
    read_(model, {"0": [0, 2]})  # of those it reads
    assert layer.reads.tolist() == [1, 5] and torch.equal(layer.weight, parameter[:, [1, 5]])
    assert [n for n, _ in model.named_parameters()] == ["0.weight", "0.bias"] and list(model.state_dict()) == ["0.weight", "0.bias", "0.reads"]


def test_the_cut_network_is_the_zeroed_one_and_costs_what_was_foreseen():
    model = randomised()
    pruned = prune(model, Reader(READS), BUDGET, example=X)
    assert pruned.report["equivalence"] < 1e-6 and pruned.selection.reads == READS
    with torch.no_grad():  # independent of our surgery
        model.a1.weight[:, [c for c in range(8) if c not in READS["a1"]]] = 0
        model.b1.weight[:, [c for c in range(8) if c not in READS["b1"]]] = 0
        model.a2.weight[:, 3:] = 0
        model.b2.weight[:, 2:] = 0
        assert torch.allclose(model(X), pruned.model(X), atol=1e-6)
    macs = 36 * (27 * 8 + 36 * 3 + 3 * 8 + 3 * 2 + 2 * 8) + 32
    assert pruned.report["macs"]["pruned"] == macs
    seen = foresee(randomised(), Reader(READS), BUDGET, read(randomised(), X))
    assert seen.pruned.macs == macs and seen.pruned.params == pruned.report["params"]["pruned"] and seen.shapes == pruned.architecture.shapes
    assert cost(read(pruned.model, X), dict(pruned.model.named_parameters())).macs == macs


def test_the_architecture_is_rebuilt_and_the_folder_read_back(tmp_path):
    pruned = prune(randomised(), Reader(READS), BUDGET, example=X)
    assert pruned.architecture.selects == READS and pruned.architecture.shapes["a1.weight"] == (3, 4, 3, 3)
    fresh = build(architecture_of(pruned.architecture.to_json()), seed=1, model=Blocks)
    assert isinstance(fresh.a1, ReadingConv2d) and fresh.a1.reads.tolist() == [0, 3, 4, 7] and fresh.a1.in_channels == 4
    bound = 1 / (9 * 4) ** 0.5  # torch's own initialiser, of the inputs that are left
    assert 0.9 * bound < float(fresh.a1.weight.detach().abs().max()) <= bound
    fresh.load_state_dict(pruned.model.state_dict())
    assert torch.equal(fresh.eval()(X), pruned.model(X))
    again = read_folder(write_folder(pruned, tmp_path / "pruned"), model=Blocks)
    assert again.selection == pruned.selection and torch.equal(again.model(X), pruned.model(X))
    for wrong in ({"a1": (0, 3, 4, 8)}, {"stem2": (0,)}, {"norm": (0,)}):
        with pytest.raises(BenchError, match="does not fit"):
            build(replace(pruned.architecture, selects={**READS, **wrong}), model=Blocks)


def test_the_graph_of_the_result_has_the_gathers_as_groups():
    pruned = prune(randomised(), Reader(READS), BUDGET, example=X)
    groups = {g.name: g for g in read(pruned.model, X).groups}  # the stream stays whole: it is gathered from
    assert {n: (g.width, g.inner) for n, g in groups.items()} == {
        "a1.reads": (4, False), "a1": (3, True), "b1.reads": (3, False), "b1": (2, True)}
    assert {(u.tensor, u.dim) for u in groups["a1.reads"].uses} == {("a1.reads", 0), ("a1.weight", 1)}
    twice = prune(pruned.model, Reader({}), Budget(widths={"a1.reads": 2, "a1": 2}, scope="all"), example=X)
    assert twice.model.a1.reads.tolist() == [0, 3] and twice.report["equivalence"] < 1e-6
    assert twice.architecture.selects["a1"] == (0, 3)


def test_a_stream_that_is_cut_as_well_is_numbered_anew():
    budget = Budget(widths={"stem": 6}, scope="all")

    @dataclass(frozen=True)
    class Both(Reader):
        target: ClassVar[str] = "automatic"

        def select(self, net, data, budget):
            return Selection({"stem": (0, 2, 3, 5, 6, 7)}, self.given)
    pruned = prune(randomised(), Both({"a1": (2, 5, 7)}), budget, example=X)
    assert pruned.model.a1.reads.tolist() == [1, 3, 5] and pruned.report["equivalence"] < 1e-6
    assert build(pruned.architecture, model=Blocks).a1.reads.tolist() == [1, 3, 5]
    with pytest.raises(BenchError, match="a1 reads channel 4 of its input, which is removed"):
        prune(randomised(), Both({"a1": (2, 4)}), budget, example=X)


def test_zeroed_columns():
    model = randomised()
    before = model.a1.weight.detach().clone()
    ignore_(model, {"a1": (0, 5)})
    assert torch.equal(model.a1.weight[:, [0, 5]], before[:, [0, 5]]) and not model.a1.weight[:, [1, 2, 3, 4, 6, 7]].any()


@pytest.mark.parametrize(("given", "words"), [
    ({"a1": (0, 1, 2, 3)}, "does not say what b1 reads"), ({**READS, "a2": (0, 1)}, "a2 reads 2 of 6 channels, the budget says 6"),
    ({**READS, "b1": (1, 2)}, "b1 reads 2 of 8 channels, the budget says 3"), ({**READS, "b1": (2, 1, 6)}, "ascending"),
    ({**READS, "b1": (1, 1, 6)}, "twice"), ({**READS, "b1": (1, 2, 8)}, "index 8 of the input of b1"), ({**READS, "b1": ()}, "nothing is left"),
    ({**READS, "b1": (1.0, 2, 3)}, "whole numbers"), ({**READS, "c1": (1,)}, "unknown layer 'c1'"),
    ({**READS, "norm": (1,)}, "norm cannot read a part")])
def test_what_a_method_reads_is_checked(given, words):
    with pytest.raises(BenchError, match=words) as error:
        prune(randomised(), Reader(given), BUDGET, example=X)
    assert error.value.kind == "method_error"


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.grouped, self.one, self.two = nn.Conv2d(4, 4, 1, groups=2), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.two.weight = self.one.weight


def test_layers_without_a_gather_are_refused():
    for path, words in (("grouped", "of 2 groups"), ("one", "shares its weight"), ("", "Odd")):
        with pytest.raises(BenchError, match=words) as error:
            read_(Odd(), {path: (0,)})
        assert error.value.kind == "not_applicable"


def test_budgets_that_say_reads():
    model, trace = randomised(), read(randomised(), X)
    assert budget_of({"ratio": 0.5, "reads": {"a1": 4}}) == Budget(ratio=0.5, reads={"a1": 4})
    assert budget_of(BUDGET.to_json()) == BUDGET
    for wrong in ({"a1": 0}, {"a1": 2.5}, {"a1": True}):
        with pytest.raises(BenchError, match="reads.a1"):
            Budget(ratio=0.5, reads=wrong)
    for budget, words in [(Budget(ratio=0.5, reads={"a1": 9}), "read 9 channels, and its input has 8"),
                          (Budget(ratio=0.5, reads={"c": 1}), "unknown layer"),
                          (Budget(widths={"stem": 4}, scope="all", reads={"a1": 2}), "cuts stem and says what a1 reads of it")]:
        with pytest.raises(BenchError, match=words):
            foresee(model, Reader(READS), budget, trace)
    half = foresee(model, Reader(READS), Budget(macs=0.5, reads={"a1": 4}), trace)
    assert abs(1 - half.pruned.macs / half.dense.macs - 0.5) <= 0.02 and half.budget.reads == {"a1": 4}

    @dataclass(frozen=True)
    class Blind(Reader):
        gathers: ClassVar[bool] = False
    for call in (lambda: foresee(model, Blind(), BUDGET, trace), lambda: prune(model, Blind(), BUDGET, example=X)):
        with pytest.raises(BenchError, match="does not choose what a layer reads") as error:
            call()
        assert error.value.kind == "not_applicable"


def test_entrances_are_the_first_layers_of_branches():
    model, trace = randomised(), read(randomised(), X)
    inner = Net(model, trace, torch.Generator(), tuple(g for g in trace.groups if g.inner))
    assert inner.entrances() == ("a1", "b1")
    assert Net(model, trace, torch.Generator(), trace.groups).entrances() == ()  # the stream itself is in scope
    group = inner.inputs("b1")
    assert (group.name, group.width, [(u.tensor, u.dim) for u in group.uses]) == ("b1.reads", 8, [("b1.weight", 1)])
