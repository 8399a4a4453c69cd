"""sss: its step against the textbook and a closed form, folding, what a zero factor is, its search, and all of it through the flow."""
from __future__ import annotations

import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.flow.run import plan_suite, run_suite
from benchbase.flow.settings import Settings
from benchbase.nets.net import Net, private_copy
from benchbase.nets.prune import prune
from benchbase.plugin.manager import load_plugins
from benchbase.training.loop import Checkpoints, train_
from benchbase.training.seeds import Seeds
from benchbase.values.budget import Budget
from benchbase.values.recipe import Recipe
from benchbase.values.record import consistent, load_failures, load_records
from benchbase.values.spec import Suite
from benchbase_plugins.methods._gates import Gates, apg_
from benchbase_plugins.methods.sss import SSS, SparseBranches
from benchbase_plugins.models.resnet import resnet20, resnet_digits

HALF = Budget(ratio=0.5)


def soft(x: np.ndarray, by: float) -> np.ndarray:
    return np.sign(x) * np.maximum(np.abs(x) - by, 0)


def test_the_step_is_nesterovs_with_a_proximal_map():
    """The textbook form: s_k = prox(d_k - eta grad f(d_k)), d_(k+1) = s_k + mu (s_k - s_(k-1)). What the momentum form calls s is d."""
    rng = np.random.default_rng(0)
    a, b, eta, penalty, mu = rng.uniform(0.5, 2, 6), rng.uniform(2, 5, 6), 0.05, 0.3, 0.9
    d, last = np.ones(6), np.ones(6)
    factors, velocity = torch.ones(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    for _ in range(60):
        s = soft(d - eta * a * (d - b), eta * penalty)
        d, last = s + mu * (s - last), s
        slope = torch.from_numpy(a) * (factors - torch.from_numpy(b))
        apg_(factors, velocity, slope, eta, penalty, mu)
        assert np.allclose(factors.numpy(), d, rtol=1e-12, atol=1e-12) and np.allclose(velocity.numpy() * mu + s, d, rtol=1e-12, atol=1e-12)
    assert np.ptp(d) > 0.5


def test_a_quadratic_ends_in_its_closed_form_with_exact_zeros():
    """min a/2 (s - b)^2 + penalty s over s >= 0 is max(0, b - penalty / a)."""
    a, b = torch.tensor([1.0, 2.0, 0.5, 1.0, 4.0]), torch.tensor([2.0, 0.1, 0.9, -1.0, 0.3])
    factors, velocity = torch.ones(5), torch.zeros(5)
    for _ in range(2000):
        apg_(factors, velocity, a * (factors - b), 0.1, 0.5, 0.9)
    expected = (b - 0.5 / a).clamp(min=0)
    assert torch.allclose(factors, expected, atol=1e-5)
    assert (factors == 0).tolist() == [False, True, True, True, False] == (expected == 0).tolist() and not torch.signbit(factors).any()


def test_zero_is_reached_and_left_exactly():
    factors, velocity = torch.tensor([0.3]), torch.tensor([-0.2])
    for slope in (0.1, -0.1, 0.05):  # smaller than the penalty: it stays
        apg_(factors, velocity, torch.tensor([slope]), 0.5, 1.0, 0.9)
    assert factors.item() == 0
    apg_(factors, velocity, torch.tensor([-3.0]), 0.5, 1.0, 0.9)
    assert factors.item() > 0  # a larger one brings it back


def live(model: nn.Module) -> SimpleNamespace:
    """What the callback sees of a network in training."""
    return SimpleNamespace(model=model, blocks=Net(model, None, torch.Generator(), ()).blocks, rate=lambda: 0.1)


NETS = {"resnet-digits": (resnet_digits, (1, 8, 8), 6), "resnet20": (resnet20, (3, 16, 16), 9),
        "torchvision:resnet18": (lambda classes, channels: torchvision.models.resnet18(num_classes=classes), (3, 32, 32), 8)}


@pytest.fixture(scope="module", params=NETS)
def drawn(request):
    """A residual network with statistics and scales of norms that differ, an example, and how many blocks it has."""
    build, shape, blocks = NETS[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = build(10, shape[0]).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)
                module.running_mean.normal_(0, 0.3)
        return model, torch.randn(4, *shape), blocks


def test_factors_fold_into_a_plain_network_and_zeros_drop_their_blocks(drawn):
    model, x, count = drawn
    gated, names = copy.deepcopy(model), set(model.state_dict())
    callback, net = SparseBranches(0.01, 0.9), live(gated)
    callback.start(net)
    with torch.no_grad():
        assert torch.equal(gated(x), model(x)) and len(net.blocks) == count
        factors = torch.linspace(0.2, 1.7, count)
        factors[[1, count - 2]] = 0
        callback._gates[1].factors.data.copy_(factors)
        scaled = gated(x)
        callback.finish(gated)
        folded = gated(x)
    assert (scaled - model(x)).abs().max() > 0.1 and (folded - scaled).abs().max() <= 1e-5 * scaled.abs().max()
    assert set(gated.state_dict()) == names and not any(m._forward_hooks for m in gated.modules())
    pruned = prune(gated, SSS(), 0.5, example=x)
    gone = tuple(net.blocks[i].path for i in (1, count - 2))
    assert pruned.selection.dropped == gone == pruned.architecture.dropped and pruned.architecture.shapes == {}
    with torch.no_grad():
        assert (pruned.model(x) - folded).abs().max() <= 1e-5 * folded.abs().max()
    report = pruned.report
    assert report["blocks"] == {"dense": count, "pruned": count - 2} and report["achieved"]["blocks"] == round(2 / count, 6)
    assert report["equivalence"] <= 1e-5 * float(folded.abs().max())  # against the full network, its branches zeroed
    assert report["params"]["pruned"] == sum(p.numel() for p in pruned.model.parameters()) < report["params"]["dense"]


def test_a_plain_network_has_nothing_to_drop(drawn):
    model, x, _ = drawn
    with pytest.raises(BenchError, match="factor of zero") as error:
        prune(private_copy(model), SSS(), 0.5, example=x)
    assert error.value.kind == "not_applicable"


class Scaled(nn.Module):
    """A layer times a factor."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.factor = layer, nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.layer(x) * self.factor


def test_a_training_with_factors_equals_one_written_out(made_up, machine):
    """Against a loop of torch alone, with factors as parameters of modules and the step in numpy. At a rate where rounding does not grow to percents."""
    recipe = Recipe(epochs=2, batch_size=16, lr=0.03, momentum=0.8, weight_decay=1e-3, milestones=(0.5,))
    torch.manual_seed(0)
    ours, seeds, penalty, mu = resnet_digits(10, made_up.shape[0]), Seeds(0, "made up"), 0.15, 0.9
    theirs = copy.deepcopy(ours)
    train_(ours, recipe, made_up, seeds, machine, callback=SparseBranches(penalty, mu), net=live(ours))
    wrapped = [block for layer in (theirs.layer1, theirs.layer2, theirs.layer3) for block in layer]
    for block in wrapped:
        block.bn2 = Scaled(block.bn2)
    factors = [block.bn2.factor for block in wrapped]
    optimiser = torch.optim.SGD([p for n, p in theirs.named_parameters() if not n.endswith("factor")], lr=0.03, momentum=0.8, weight_decay=1e-3)
    velocity = np.zeros(len(factors))
    theirs.train()
    for epoch in range(2):
        optimiser.param_groups[0]["lr"] = rate = (0.03, 0.003)[epoch]
        for x, y in made_up.batches("train", 16, seeds.of("order", epoch), augment=True, augment_seed=seeds.of("augmentation", epoch)):
            theirs.zero_grad()
            functional.cross_entropy(theirs(x), y).backward()
            optimiser.step()
            s, slope = (np.array([getattr(f, what).item() for f in factors]) for what in ("data", "grad"))
            inner = soft(s - rate * slope, rate * penalty)
            velocity = inner - s + mu * velocity
            for factor, value in zip(factors, np.maximum(inner + mu * velocity, 0), strict=True):
                factor.data.fill_(value)
    assert min(f.item() for f in factors) < 0.9 and len({round(f.item(), 4) for f in factors}) > 3
    for mine, block in zip([b for layer in (ours.layer1, ours.layer2, ours.layer3) for b in layer], wrapped, strict=True):
        for name in ("weight", "bias"):
            expected = getattr(block.bn2.layer, name) * block.bn2.factor
            assert torch.allclose(getattr(mine.bn2, name), expected, rtol=1e-3, atol=1e-4)
    assert torch.allclose(ours.conv1.weight, theirs.conv1.weight, rtol=1e-3, atol=1e-4)


def test_an_interrupted_training_goes_on_bit_for_bit(made_up, machine):
    recipe, states = Recipe(epochs=3, batch_size=16, lr=0.1), []
    whole, part = resnet_digits(10, made_up.shape[0]), resnet_digits(10, made_up.shape[0])
    part.load_state_dict(whole.state_dict())
    keep = Checkpoints(lambda epoch, take: states.append(take()))
    train_(whole, recipe, made_up, Seeds(0), machine, SparseBranches(0.1, 0.9), checkpoints=keep, net=live(whole))
    assert "callback/0/factors" in states[1].tensors
    resume = Checkpoints(resume=copy.deepcopy(states[1]))
    train_(part, recipe, made_up, Seeds(0), machine, SparseBranches(0.1, 0.9), checkpoints=resume, net=live(part))
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), part.state_dict().values(), strict=True))


def searching(method: SSS, budget: Budget, count, most: int = 20):
    """The penalties that a search tries where `count(penalty)` of ten blocks go, and what came of them."""
    tried, callback = [], method.training(budget)
    while callback is not None and len(tried) < most:
        gone = count(callback.penalty)
        report = {"blocks": {"dense": 10, "pruned": 10 - gone}, "achieved": {"blocks": gone / 10, "macs": gone / 12}}
        tried.append((callback, report if gone else None))
        callback = method.search(budget, tried)
    return [c.penalty for c, _ in tried], [10 - r["blocks"]["pruned"] if r else 0 for _, r in tried]


def steps(penalty: float) -> int:
    return int(np.clip(np.floor(4 * np.log10(penalty / 1e-4)), 0, 10))


def test_the_search_brackets_the_budget_and_halves():
    penalties, gone = searching(SSS(penalty=1e-5), Budget(ratio=0.35), steps)
    assert gone[-1] == 4 and gone[:-1].count(4) == 0  # floor(10 x 0.65) = 6 blocks stay
    assert penalties[:5] == [1e-5, 4e-5, 1.6e-4, 6.4e-4, 2.56e-3] and len(penalties) <= 8
    downwards, gone = searching(SSS(penalty=1.0), Budget(ratio=0.35), steps)
    assert downwards[:3] == [1.0, 0.25, 0.0625] and gone[-1] == 4
    assert searching(SSS(penalty=1.1e-3), Budget(ratio=0.4), steps) == ([1.1e-3], [4])


def test_the_search_ends_where_no_penalty_comes_nearer():
    penalties, gone = searching(SSS(), HALF, lambda p: 10 if p > 0.0123 else 0)
    assert len(penalties) < 12 and set(gone) == {0, 10}
    penalties, gone = searching(SSS(penalty=1e-3), Budget(macs=0.5), steps)
    assert gone[-1] == 6 and penalties[0] == 1e-3  # 6 / 12 of the multiply-adds
    _, gone = searching(SSS(penalty=1e-3), Budget(macs=0.45), steps)
    assert {5, 6} <= set(gone) and len(gone) < 16


def test_what_it_cannot_do_is_said():
    for bad in ({"penalty": 0.0}, {"penalty": float("inf")}, {"momentum": 1.0}, {"trials": 0}):
        with pytest.raises(BenchError, match=f"sss\\[{next(iter(bad))}"):
            SSS(**bad)
    with pytest.raises(BenchError, match="says it already") as error:
        SSS().training(Budget(widths={"conv1": 3}))
    assert error.value.kind == "not_applicable"
    with pytest.raises(BenchError, match="blocks"):
        SparseBranches(0.1, 0.9).start(nn.Linear(2, 2))
    assert Gates([]).factors.numel() == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("sss")
    return Settings(root / "store", root / "data", root / "board", device="cpu")


SUITE = Suite(methods=("sss[penalty=0.02,trials=5]",), models=("resnet-digits",), datasets=("synthetic[train=64,test=32]",), budgets=("0.5",),
              seeds=(0,), protocols=("one-shot", "finetune", "scratch-e", "rewind"), recipe={"epochs": 3, "batch_size": 8}, finetune={"epochs": 1})


def test_through_the_flow(place):
    plan = plan_suite(SUITE, place)
    assert plan.at_most and plan.count("train")["distinct"] == 1 + 5 + 3 and plan.count("prune")["distinct"] == 5
    seen = []
    sweep = run_suite(SUITE, place, load_plugins(), observe=seen.append)
    assert sweep.exit_code == 0 and not [r for r in load_records(place.leaderboard) if consistent(r)]
    rows = {(r := json.loads(p.read_text()))["protocol"]: r for p in sweep.records}
    tried = sum(e.label.startswith("base of sss") and e.kind == "train" for e in seen)
    assert 2 <= tried <= 5 and len(rows) == 4
    shot = rows["one-shot"]
    gone = shot["architecture"]["dropped"]
    assert 0 < len(gone) < 6 and shot["achieved"]["blocks"] == round(len(gone) / 6, 6) and shot["architecture"]["shapes"] == {}
    assert shot["digests"]["base"] != shot["digests"]["plain"] and shot["sparse_base"]["nonzero"] < shot["unpruned"]["nonzero"]
    dense = shot["unpruned"]["macs"]
    for name, row in rows.items():
        assert row["metrics"]["params"] < row["unpruned"]["params"] and row["metrics"]["macs"] < dense and row["architecture"]["dropped"] == gone
        assert row["ledger"]["pretrain"]["macs"] == 3 * 3 * 64 * dense and row["ledger"]["pretrain"]["epochs"] == 3
        assert (row["ledger"]["prune"]["epochs"], row["ledger"]["prune"]["macs"]) == (3 * (tried - 1), 3 * 3 * 64 * dense * (tried - 1)), name
    assert shot["metrics"]["top1"] == shot["sparse_base"]["top1"]  # what is dropped had no part in it
    again = plan_suite(SUITE, place)
    assert not again.at_most and again.count("train") == {"asked": tried + 4, "distinct": tried + 4, "cached": tried + 4, "to_run": 0}
    assert run_suite(SUITE, place).trained == 0


def test_named_blocks_need_no_training_of_their_own(place):
    named = {"dropped": ["layer3.1", "layer1.0"], "name": "two"}
    suite = SUITE.with_(budgets=(named,), protocols=("one-shot", "scratch-b", "rewind"))
    plan = plan_suite(suite, place)
    assert not plan.at_most and plan.count("train")["distinct"] == 1 + 2
    sweep = run_suite(suite, place)
    assert sweep.exit_code == 0 and not sweep.failures
    rows = {(r := json.loads(p.read_text()))["protocol"]: r for p in sweep.records}
    for row in rows.values():
        assert row["architecture"]["dropped"] == ["layer1.0", "layer3.1"] and row["digests"]["base"] == row["digests"]["plain"]
        assert row["achieved"]["blocks"] == round(2 / 6, 6) and row["budget"] == row["asked"] == named
    scratch = rows["scratch-b"]
    assert scratch["metrics"]["epochs"] == int(3 * scratch["unpruned"]["macs"] / scratch["metrics"]["macs"])
    assert scratch["ledger"]["pretrain"]["macs"] == 0


def test_blocks_are_for_methods_that_drop_blocks(place):
    named = {"dropped": ["layer1.0"]}
    sweep = run_suite(SUITE.with_(methods=("l1-norm", "magnitude"), budgets=(named,), protocols=("one-shot",)), place)
    assert [kind for _, kind, _ in sweep.failures] == ["not_applicable"] * 2 and all("names those that go" in what for _, _, what in sweep.failures)
    with pytest.raises(BenchError, match="layer1.7") as error:
        run_suite(SUITE.with_(budgets=({"dropped": ["layer1.7"]},), protocols=("one-shot",)), place)
    assert error.value.kind == "usage" and "layer1." in error.value.todo


def test_networks_without_blocks_are_refused_before_any_training(place):
    seen = []
    sweep = run_suite(SUITE.with_(models=("vgg-digits",)), place, observe=seen.append)
    assert sweep.exit_code == 0 and not seen and [kind for _, kind, _ in sweep.failures] == ["not_applicable"]
    assert any("the network has none" in failure.message for failure in load_failures(place.leaderboard))
