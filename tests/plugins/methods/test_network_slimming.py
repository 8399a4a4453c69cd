"""network-slimming against what the authors' own scripts keep, and its penalty against autograd."""
from __future__ import annotations

import pytest
import torch
from golden import EXAMPLE, conv_shapes, decided, golden, traced, weighted
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.flow.run import run_suite
from benchbase.flow.settings import Settings
from benchbase.nets.gather import ChannelSelect
from benchbase.nets.prune import prune, prune_network
from benchbase.training import loop
from benchbase.training.loop import train_
from benchbase.training.seeds import Seeds
from benchbase.values.budget import Budget
from benchbase.values.recipe import Recipe
from benchbase.values.record import load_records
from benchbase.values.spec import Suite
from benchbase_plugins.methods.network_slimming import NetworkSlimming, SparseScales, above
from benchbase_plugins.models.densenet import densenet40
from benchbase_plugins.models.preresnet import preresnet164
from benchbase_plugins.models.resnet import resnet20, resnet_digits
from benchbase_plugins.models.vgg import vgg19, vgg_digits

MODELS = {"vgg19": vgg19, "preresnet164": preresnet164, "densenet40": densenet40}
GOLDEN = golden("slimming")


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("case", GOLDEN)
def test_the_authors_decisions(case, seed):
    name, classes, ratio = case.split()
    theirs, model = GOLDEN[case][str(seed)], weighted(MODELS[name](int(classes)), seed)
    pruned = prune_network(model, NetworkSlimming(), Budget(ratio=float(ratio)), None, EXAMPLE, trace=traced(MODELS[name], int(classes)))
    assert [list(kept) for kept in pruned.selection.kept.values()] == list(map(decided, theirs["kept"]))  # one group a norm, in module order
    assert [list(m.weight.shape) for m in pruned.model.modules() if isinstance(m, nn.Conv2d)] == conv_shapes(theirs["conv_shapes"])
    gathers = {n: len(m.index) for n, m in model.named_modules() if isinstance(m, ChannelSelect)}
    assert pruned.architecture.selects == {n: pruned.selection.kept[n] for n in gathers} and bool(gathers) == (name != "vgg19")
    more = sum(2 * (width - len(pruned.selection.kept[n])) for n, width in gathers.items())  # their norms before a gather stay whole
    assert pruned.report["params"]["pruned"] == theirs["params"] - more and pruned.report["rescued"] == []


def scaled(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model with scales drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.weight.data.copy_(torch.randn(len(norm.weight), generator=generator))
        norm.bias.data.copy_(torch.randn(len(norm.weight), generator=generator))
    return model.eval()


def test_the_threshold_is_an_entry_of_the_sorted_scales_and_equal_is_not_above():
    scores = {"a": torch.tensor([0.5, 2.0, 1.0]), "b": torch.tensor([1.0, 3.0])}
    assert above(scores, 0.1) == {"a": (1, 2), "b": (0, 1)}  # the bar is 0.5
    assert above(scores, 0.2) == above(scores, 0.4) == {"a": (1,), "b": (1,)}  # 1.0, at which two lie
    assert above(scores, 0.9) == {"a": (), "b": ()}
    hundred = {"a": torch.arange(100.0)}
    assert len(above(hundred, 0.29)["a"]) == 70  # int(100 * 0.29) is 28 in floating point


def test_a_layer_below_the_bar_keeps_its_largest_and_is_named():
    model = scaled(vgg_digits(10, 1))
    with torch.no_grad():
        model.features[8].weight.mul_(1e-3)
        model.features[8].weight[17] = -0.02
    pruned = prune(model, NetworkSlimming(), 0.5, example=torch.zeros(2, 1, 8, 8))
    assert pruned.report["rescued"] == ["features.7"] and pruned.selection.kept["features.7"] == (17,)
    assert pruned.report["equivalence"] < 1e-5 and pruned.model.features[7].weight.shape[0] == 1


def test_a_stream_of_many_norms_goes_by_its_largest_scale():
    model = scaled(resnet_digits(10, 1))
    with torch.no_grad():
        for name, norm in model.named_modules():
            if name == "bn1" or name.endswith("bn2"):  # the first 16 channels go through all stages
                norm.weight[:4] *= 1e-4
                norm.weight[4:] += 5 * norm.weight[4:].sign()
        model.layer1[1].bn2.weight[2] = 9  # one large scale of many
    pruned = prune(model, NetworkSlimming(), 0.3, example=torch.zeros(2, 1, 8, 8))
    assert set(range(16)) - set(pruned.selection.kept["conv1"]) == {0, 1, 3}
    scales = {"layer2.0.conv1": model.layer2[0].bn1.weight, "layer3.1.conv1": model.layer3[1].bn1.weight}
    bar = min(float(scales[n].detach().abs()[list(pruned.selection.kept[n])].min()) for n in scales)
    for name, gamma in scales.items():
        assert pruned.selection.kept[name] == tuple((gamma.detach().abs() >= bar).nonzero().flatten().tolist())
    left = sum(map(len, pruned.selection.kept.values()))
    assert left == 240 - int(240 * 0.3) - 1
    inner = prune(model, NetworkSlimming(), Budget(ratio=0.3, scope="inner"), example=torch.zeros(2, 1, 8, 8))
    assert "conv1" not in inner.selection.kept and len(inner.selection.kept) == 6


@pytest.mark.parametrize("key", ["macs", "params"])
def test_shares_are_met_by_the_ratio(key):
    pruned = prune(scaled(resnet20(10)), NetworkSlimming(), f"{key}=0.4", example=EXAMPLE)
    assert abs(1 - pruned.report[key]["pruned"] / pruned.report[key]["dense"] - 0.4) < 0.02


def test_what_it_cannot_do_is_said():
    with pytest.raises(BenchError, match="penalty=-1"):
        NetworkSlimming(-1)
    with pytest.raises(BenchError, match="penalty=nan"):
        NetworkSlimming(float("nan"))
    assert NetworkSlimming(0).training(Budget(ratio=0.5)) is None
    bare = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten())
    for model, budget, words in [(bare, 0.5, "no channels in scope"), (vgg_digits(10, 1), Budget(widths={"features.0": 3}), "decides how many")]:
        with pytest.raises(BenchError, match=words) as error:
            prune(model, NetworkSlimming(), budget, example=torch.zeros(2, 1, 8, 8))
        assert error.value.kind == "not_applicable"
    with pytest.raises(BenchError, match="decides how many"):
        NetworkSlimming().training(Budget(ratios={"*": 0.5}))


def test_gradients_are_those_of_the_penalised_loss():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(96, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)).double()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1.0, -2.0, 0.3, -0.1, 0.0, 5.0]))
    x, y = torch.randn(5, 2, 6, 6).double(), torch.tensor([0, 1, 2, 0, 1])
    loss = functional.cross_entropy(model(x), y)
    whole = loss + 0.03 * (model[1].weight.abs().sum() + model[5].weight.abs().sum())
    plain = torch.autograd.grad(loss, model[1].weight, retain_graph=True)[0]
    expected = torch.autograd.grad(whole, list(model.parameters()), retain_graph=True)
    loss.backward()
    SparseScales(0.03).after_backward(model)
    assert all(torch.allclose(p.grad, g, rtol=1e-12, atol=1e-15) for p, g in zip(model.parameters(), expected, strict=True))
    assert torch.allclose(model[1].weight.grad - plain, 0.03 * torch.tensor([1.0, -1, 1, -1, 0, 1]).double(), atol=1e-12)


def test_a_training_with_the_penalty_is_plain_gradient_descent_on_the_penalised_loss(made_up, machine):
    """Against a loop of torch alone; and the same training without the callback goes elsewhere."""
    recipe = Recipe(epochs=1, batch_size=32, lr=0.05, momentum=0.9, weight_decay=1e-3, milestones=())
    ours, theirs, plain = (vgg_digits(made_up.num_classes, made_up.shape[0]) for _ in range(3))
    theirs.load_state_dict(ours.state_dict())
    plain.load_state_dict(ours.state_dict())
    seeds = Seeds(0, "made up")
    train_(ours, recipe, made_up, seeds, machine, callback=NetworkSlimming(0.01).training(Budget(ratio=0.5)))
    train_(plain, recipe, made_up, seeds, machine)
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    gammas = [m.weight for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)]
    theirs.train()
    for x, y in made_up.batches("train", 32, seeds.of("order", 0), augment=True, augment_seed=seeds.of("augmentation", 0)):
        optimiser.zero_grad()
        (functional.cross_entropy(theirs(x), y) + 0.01 * sum(g.abs().sum() for g in gammas)).backward()
        optimiser.step()
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert not all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(ours.parameters(), plain.parameters(), strict=True))


def test_budgets_share_one_sparse_base_and_only_it_is_penalised(tmp_path, monkeypatch):
    trained = []

    def watched(model, recipe, *arguments, callback=None, **options):
        trained.append((recipe.epochs, callback))
        return train_(model, recipe, *arguments, callback=callback, **options)
    monkeypatch.setattr(loop, "train_", watched)
    suite = Suite(methods=("network-slimming[penalty=0.01]",), datasets=("synthetic[train=64,test=32]",), budgets=("0.3", "0.5"),
                  protocols=("one-shot", "finetune", "scratch-e"), seeds=(0,), recipe={"epochs": 2, "batch_size": 32}, finetune={"epochs": 1})
    sweep = run_suite(suite, Settings(tmp_path / "store", tmp_path / "data", tmp_path / "board", device="cpu"))
    assert sweep.exit_code == 0
    assert sorted(epochs for epochs, callback in trained) == [1, 1, 2, 2, 2, 2]  # plain, sparse, and two fine-tuned and two fresh networks
    assert [pair for pair in trained if pair[1] is not None] == [(2, SparseScales(0.01))]
    rows = load_records(tmp_path / "board")
    assert len(rows) == 6 and len({r.digests.base for r in rows}) == 1 == len({r.digests.plain for r in rows})
    assert all(r.digests.base != r.digests.plain and r.sparse_base is not None and r.sparse_base != r.unpruned for r in rows)
