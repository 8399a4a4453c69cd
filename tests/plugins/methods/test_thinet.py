"""ThiNet against a naive float64 one: every contribution written out, the greedy sum computed anew, numpy's least squares."""
from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.graph import read
from benchbase.nets.net import Net, private_copy
from benchbase.nets.prune import prune
from benchbase.values.budget import Budget
from benchbase_plugins.methods import _gram
from benchbase_plugins.methods.thinet import ThiNet

EVERY = 10**6  # more positions than any output has: all are sampled


def explicit(x, weight, groups=1, **options):
    """(samples, channels): what each channel alone adds to every output, by running the layer on that channel alone."""
    columns = []
    for c in range(weight.shape[1]):
        alone = torch.zeros_like(weight)
        alone[:, c] = weight[:, c]
        columns.append(functional.conv2d(x, alone, None, groups=groups, **options) if weight.dim() == 4 else functional.linear(x, alone))
    return torch.stack([c.flatten() for c in columns], 1).numpy()


def greedy(x, keep):
    """The paper's algorithm 1, word by word."""
    gone = []
    while x.shape[1] - len(gone) > keep:
        errors = {c: (x[:, [*gone, c]].sum(1) ** 2).sum() for c in range(x.shape[1]) if c not in gone}
        gone.append(min(errors, key=errors.get))
    return [c for c in range(x.shape[1]) if c not in gone]


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize(("kernel", "options", "groups"), [
    (3, {}, 1), (1, {"stride": 2}, 1), ((3, 2), {"stride": (2, 1), "padding": (1, 0)}, 1), (3, {"dilation": 2, "padding": 2}, 1), (3, {"padding": 1}, 2)])
def test_choice_and_scales_are_the_naive_ones(monkeypatch, kernel, options, groups, blocks):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.Conv2d(12, 8, kernel, groups=groups, **options), nn.ReLU(), nn.Conv2d(8, 2, 1)).double().eval()
    x = torch.randn(6, 3, 11, 11).double()
    monkeypatch.setattr(_gram, "_outer", _gram._blocks if blocks else _gram._outer)
    monkeypatch.setattr(_gram, "_blocks", _gram._blocks if blocks else _gram._outer)
    monkeypatch.setattr(_gram, "BLOCK", 40)
    monkeypatch.setattr(_gram, "HELD", 5000)
    net = net_of(model, x[:2])
    step = next(s for s in net.walk(x, batch_size=4) if s.use.tensor == "2.weight")
    with torch.no_grad():
        naive = explicit(model[1](model[0](x)), model[2].weight, groups, **options)
    g = _gram.gram(step.patches(step.draw(EVERY)), step.weight, step.use.at, step.groups)
    assert g.shape == (12 // groups,) * 2 and np.allclose(g, naive.T @ naive, rtol=1e-10)
    for keep in (1, 3, 5):
        kept = _gram.choose(g, keep)
        assert kept == greedy(naive, keep) and len(kept) == keep
        assert np.allclose(_gram.scales(g, kept), np.linalg.lstsq(naive[:, kept], naive.sum(1), rcond=None)[0], rtol=1e-6)


def test_sampled_positions_are_those_rows():
    model = nn.Sequential(nn.Conv2d(3, 9, 3), nn.ReLU(), nn.Conv2d(9, 7, 3), nn.Flatten(), nn.Linear(7 * 36, 2)).double().eval()
    x = torch.randn(5, 3, 10, 10).double()
    step = next(iter(net_of(model, x[:2]).walk(x)))
    positions = step.draw(4)
    with torch.no_grad():
        alone = torch.from_numpy(explicit(model[1](model[0](x)), model[2].weight)).reshape(5, 7, 36, 9)
    rows = torch.stack([alone[i, :, positions[0][i]] for i in range(5)]).reshape(-1, 9).numpy()
    assert np.allclose(_gram.gram(step.patches(positions), step.weight, step.use.at), rows.T @ rows)


def test_channels_that_never_fire_go_first_and_keep_their_scale():
    rows = np.random.default_rng(0).normal(size=(50, 6))
    rows[:, [1, 4]] = 0
    g = rows.T @ rows
    assert _gram.choose(g, 4) == [0, 2, 3, 5]
    scales = _gram.scales(g, [0, 1, 2, 3])
    assert scales[1] == 1 and np.allclose(scales[[0, 2, 3]], np.linalg.lstsq(rows[:, [0, 2, 3]], rows.sum(1), rcond=None)[0])


class Tower(nn.Module):
    """Batch norms, a stride, a depthwise layer, a flatten into linear layers."""

    def __init__(self):
        super().__init__()
        self.one, self.bn1, self.two, self.bn2 = nn.Conv2d(1, 10, 3, padding=1), nn.BatchNorm2d(10), nn.Conv2d(10, 12, 3, stride=2), nn.BatchNorm2d(12)
        self.depth, self.three, self.four, self.head = nn.Conv2d(12, 12, 3, groups=12), nn.Conv2d(12, 9, 1), nn.Linear(9, 8), nn.Linear(8, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.one(x)))
        x = functional.relu(self.depth(functional.relu(self.bn2(self.two(x)))))
        x = functional.relu(self.three(x)).flatten(1)
        return self.head(functional.relu(self.four(x)))


def net_of(model, example) -> Net:
    trace = read(model, example)
    return Net(private_copy(model), trace, torch.Generator().manual_seed(0), trace.groups)


def naive_thinet(model, x, keep):
    """Layer by layer with a plain forward pass for each, every position, every contribution."""
    model, chosen = copy.deepcopy(model), {}
    for name, writer, norm, reader in [("one", model.one, model.bn1, model.two), ("two", model.two, model.bn2, model.three), ("four", model.four, None, model.head)]:
        caught = []
        handle = reader.register_forward_pre_hook(lambda m, inputs, to=caught: to.append(inputs[0]))
        with torch.no_grad():
            model(x)
            handle.remove()
            options = {"stride": reader.stride, "padding": reader.padding} if isinstance(reader, nn.Conv2d) else {}
            rows = explicit(caught[0], reader.weight, **options)
            kept = chosen[name] = greedy(rows, keep[name])
            gone = [c for c in range(rows.shape[1]) if c not in kept]
            scale = np.linalg.lstsq(rows[:, kept], rows.sum(1), rcond=None)[0]
            reader.weight[:, kept] *= torch.from_numpy(scale).reshape(-1, *[1] * (reader.weight.dim() - 2))
            for t in [reader.weight.transpose(0, 1), writer.weight, writer.bias] + ([norm.weight, norm.bias] if norm else []):
                t[gone] = 0
    return model, chosen


def test_the_whole_method_is_the_naive_one():
    torch.manual_seed(0)
    model = Tower().eval()
    for bn in (model.bn1, model.bn2):
        nn.init.uniform_(bn.weight, 0.5, 1.5)
        nn.init.normal_(bn.bias)
    nn.init.uniform_(model.four.bias, 0.5, 1)  # no channel is dead: the least squares have one solution
    model.double()
    x = torch.randn(40, 1, 7, 7).double()  # outputs of 1 x 1 before the flatten
    keep = {"one": 6, "two": 5, "four": 4}
    expected, chosen = naive_thinet(model, x, keep)
    net = net_of(model, x[:2])
    groups = {g.name: g for g in net.groups}
    assert set(keep) <= set(groups)
    data = [(x[:25], None), (x[25:], None)]
    kept = ThiNet(images=40, positions=EVERY).select(net, data, Budget(widths=keep)).kept
    assert {n: list(kept[n]) for n in keep} == chosen and set(kept) == set(keep)
    with torch.no_grad():
        assert torch.allclose(net.model(x), expected(x), atol=1e-9)
        for name in ("two", "three", "head"):
            assert torch.allclose(net.model.get_submodule(name).weight, expected.get_submodule(name).weight, atol=1e-9)


def test_only_the_asked_images_are_read():
    net, seen = net_of(Tower().eval(), torch.randn(2, 1, 7, 7)), []

    def data():
        while True:
            seen.append(1)
            yield torch.randn(8, 1, 7, 7), None
    ThiNet(images=20).select(net, data(), Budget(ratio=0.5))
    assert len(seen) == 3


@pytest.fixture(scope="module")
def trained():
    """A small network trained on the first half of digits, and both halves."""
    images, labels = load_digits(return_X_y=True)
    x, y = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1, torch.tensor(labels)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU(),
                              nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for _ in range(8):
            for batch in torch.randperm(899).split(64):
                optimiser.zero_grad()
                functional.cross_entropy(model(x[batch]), y[batch]).backward()
                optimiser.step()
    return model.eval(), x[:899], x[899:]


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize(("group", "reader"), [("0", 3), ("3", 6), ("6", 9)])
def test_the_next_layer_is_restored_better_than_by_l1_norm_or_at_random(trained, group, reader, refit):
    model, train, held_out = trained
    net = net_of(model, train[:2])
    [g] = [g for g in net.groups if g.name == group]
    net.groups = (g,)
    budget = Budget(ratio=0.5)
    with torch.no_grad():
        reads = model[:reader](held_out)
        wanted = model[reader](reads)

        def error(kept, weight):
            """Squared error of the next layer's output, relative to the output's variance, when only these channels stay."""
            other = copy.deepcopy(model[reader])
            other.weight.zero_()
            columns = torch.as_tensor(g.uses[[u.tensor for u in g.uses].index(f"{reader}.weight")].at[list(kept)].ravel())
            other.weight[:, columns] = weight[:, columns]
            return float((other(reads) - wanted).square().sum() / (wanted - wanted.mean(0)).square().sum())
        kept = ThiNet(images=256, refit=refit).select(net, [(train, None)], budget).kept[group]
        ours = error(kept, net.model[reader].weight)
        dense = model[reader].weight
        largest = error(model[int(group)].weight.abs().flatten(1).sum(1).topk(len(kept)).indices.tolist(), dense)
        drawn = [error(torch.randperm(g.width, generator=torch.Generator().manual_seed(s))[:len(kept)].tolist(), dense) for s in range(10)]
    assert ours < (0.8 if refit else 1) * min(largest, *drawn), (ours, largest, min(drawn))


def test_scales_help_on_held_out_images(trained):
    model, train, held_out = trained
    errors = {}
    for refit in (False, True):
        net = net_of(model, train[:2])
        ThiNet(refit=refit).select(net, [(train, None)], Budget(ratio=0.5))
        with torch.no_grad():
            errors[refit] = float((net.model(held_out) - model(held_out)).square().mean())
    assert errors[True] < errors[False]


def test_through_prune(trained):
    model, train, _ = trained
    pruned = prune(model, ThiNet(images=128), 0.5, [(train, None)])
    assert {n: len(k) for n, k in pruned.selection.kept.items()} == {"0": 12, "3": 16, "6": 16}
    assert pruned.report["equivalence"] < 1e-5
    again = prune(model, ThiNet(images=128), 0.5, [(train, None)])
    assert again.selection == pruned.selection and all(torch.equal(v, again.model.state_dict()[k]) for k, v in pruned.model.state_dict().items())


def test_fine_tuning_between_layers(trained):
    model, train, _ = trained
    method = ThiNet(images=64, finetune_epochs=2)
    assert method.tunes and not ThiNet().tunes
    with pytest.raises(BenchError, match="no training here") as refused:
        method.select(net_of(model, train[:2]), [(train, None)], Budget(ratio=0.5))
    assert refused.value.kind == "not_applicable"
    net, calls = net_of(model, train[:2]), []

    def tune(net, epochs, kept, masks):
        assert not masks
        with torch.no_grad():
            gone = sorted(set(range(len(net.model[0].weight))) - set(kept["0"]))
            assert float(net.model[0].weight[gone].abs().sum() + net.model[3].weight[:, gone].abs().sum()) == 0
        calls.append((epochs, sorted(kept)))
    net.tuner = tune
    method.select(net, [(train, None)], Budget(ratio=0.5))
    assert calls == [(2, ["0"]), (2, ["0", "3"]), (2, ["0", "3", "6"])]


def test_settings_and_data_are_checked():
    for wrong in ({"images": 0}, {"positions": 0}, {"finetune_epochs": -1}):
        with pytest.raises(BenchError, match=next(iter(wrong))):
            ThiNet(**wrong)
    with pytest.raises(BenchError, match="no|none"):
        ThiNet().select(net_of(Tower().eval(), torch.randn(2, 1, 7, 7)), [], Budget(ratio=0.5))
