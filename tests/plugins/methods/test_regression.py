"""Regression against naive float64: every contribution written out, scikit-learn's coordinate descent, numpy's least squares."""
from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import Lasso
from torch import nn
from torch.nn import functional

from benchbase import build, build_model
from benchbase.errors import BenchError
from benchbase.nets.foresee import foresee
from benchbase.nets.graph import read
from benchbase.nets.net import Net, private_copy
from benchbase.nets.prune import prune
from benchbase.nets.step import Step
from benchbase.values.budget import Budget
from benchbase_plugins.methods import _lasso
from benchbase_plugins.methods.l1_norm import L1Norm
from benchbase_plugins.methods.random_channels import Random
from benchbase_plugins.methods.regression import Regression
from benchbase_plugins.methods.thinet import ThiNet

EVERY = 10**6  # more positions than any output has: all are sampled


def net_of(model, example, inner=False) -> Net:
    trace = read(model, example)
    return Net(private_copy(model), trace, torch.Generator().manual_seed(0), tuple(g for g in trace.groups if g.inner or not inner))


def rows(y):
    """(n, outputs, height, width) or (n, outputs) as (samples, outputs)."""
    return y.movedim(1, -1).reshape(-1, y.shape[1]).numpy()


def explicit(x, layer, weight=None):
    """(samples, outputs, channels): what each input channel alone adds to every output, by running the layer on that channel alone."""
    weight, parts = layer.weight if weight is None else weight, []
    for c in range(weight.shape[1]):
        alone = torch.zeros_like(weight)
        alone[:, c] = weight[:, c]
        parts.append(rows(applied(x, layer, alone)))
    return np.stack(parts, -1)


def applied(x, layer, weight):
    if isinstance(layer, nn.Linear):
        return functional.linear(x, weight)
    return functional.conv2d(x, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)


def lasso(z, y, keep):
    """The support of the LASSO on the design z (samples, channels) at the smallest penalty with at most `keep` nonzero coefficients."""
    def support(alpha):
        return np.flatnonzero(Lasso(alpha, fit_intercept=False, tol=1e-12, max_iter=10**6).fit(z, y).coef_)

    grid = float(np.abs(z.T @ y).max() / len(z)) * np.r_[np.geomspace(1, 1e-4, 40), 0.0]
    first = next((i for i, alpha in enumerate(grid[:-1]) if len(support(alpha)) > keep), -1)
    low, high = grid[first], grid[first - 1]
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if len(support(middle)) > keep else (low, middle)
    return support(high).tolist()


def columns(x, layer, kept):
    """(samples, kept x kernel entries): what the layer reads of the kept channels."""
    if isinstance(layer, nn.Linear):
        return x[:, kept].numpy()
    read = functional.unfold(x[:, kept], layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return read.transpose(1, 2).reshape(-1, read.shape[1]).numpy()


def refitted(x, y, layer, kept, constant):
    """Kernels of the kept channels by numpy's least squares, flat (outputs, kept x entries), and the constant."""
    design = columns(x, layer, kept)
    full = np.c_[design, np.ones(len(design))] if constant else design
    found = np.linalg.lstsq(full, y, rcond=None)[0].T
    return (found[:, :-1], found[:, -1]) if constant else (found, np.zeros(len(found)))


# ---- the arithmetic of one layer

LAYERS = [(3, {}), (1, {"stride": 2, "bias": False}), ((3, 2), {"stride": (2, 1), "padding": (1, 0)}),
          (3, {"dilation": 2, "padding": 2, "bias": False})]


def stopped(kernel=3, options=None, x=None, norm=False):
    """A network whose first layer has lost channels, at the stop before its third: inputs differ from the dense ones."""
    torch.manual_seed(3)
    options = options or {}
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 10, 3), nn.ReLU(), nn.Conv2d(10, 7, kernel, **options),
                          nn.BatchNorm2d(7) if norm else nn.Identity(), nn.ReLU(), nn.Conv2d(7, 2, 1)).double().eval()
    if norm:
        nn.init.uniform_(model[5].weight, 0.3, 2.0)
        model[5].running_var.uniform_(0.5, 2)
    x = torch.randn(9, 3, 13, 13).double() if x is None else x
    net = net_of(model, x[:2])
    for step in net.walk(x, batch_size=4, dense=True):
        if step.use.tensor == "2.weight":
            step.keep([0, 2, 3, 5, 6])
        if step.use.tensor == "4.weight":
            return model, net, step, x
    raise AssertionError


def seen(model, net, x):
    """What layer 4 reads in the pruned network, and what it gives in the dense one, without its bias."""
    with torch.no_grad():
        return net.model[:4](x), applied(model[:4](x), model[4], model[4].weight)


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize(("kernel", "options"), LAYERS)
def test_the_choice_is_the_lasso_of_the_design(kernel, options, norm):
    model, net, step, x = stopped(kernel, options, norm=norm)
    with torch.no_grad():
        reads, wanted = seen(model, net, x)
        z, y = explicit(reads, model[4]), rows(wanted)
        if norm:  # errors count after the norm, as if it were merged
            scale = (model[5].weight / (model[5].running_var + model[5].eps).sqrt()).numpy()
            z, y = z * scale[:, None], y * scale
    if options.get("bias", True) or norm:  # a constant is free for every output
        z, y = z - z.mean(0), y - y.mean(0)
    z, y = z.reshape(-1, 10), y.reshape(-1)
    for keep in (2, 4, 7):
        assert list(_lasso.fit(step, keep, EVERY, 0.0).kept) == lasso(z, y, keep)


def test_the_path_stops_just_before_a_direct_fit_has_more_coefficients():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(300, 5)) @ generator.normal(size=(5, 20)) + 0.5 * generator.normal(size=(300, 20))  # correlated channels
    y = z @ generator.uniform(-0.3, 1, size=20) + 0.2 * generator.normal(size=300)
    z *= generator.uniform(0.2, 3, size=20)
    g, h = z.T @ z, z.T @ y
    for keep in (1, 3, 6, 10, 15):
        found = _lasso._path(g, h, keep)
        penalty = np.abs(h - g @ found).max()  # what holds the coefficients there: the largest correlation that is left
        def direct(alpha):
            return Lasso(alpha / 300, fit_intercept=False, tol=1e-12, max_iter=10**6).fit(z, y).coef_
        assert np.allclose(direct(penalty), found, atol=1e-6)
        assert np.count_nonzero(direct(1.0001 * penalty)) <= keep < np.count_nonzero(direct(0.9999 * penalty))
        assert _lasso.choose(g, h, keep) == np.flatnonzero(found).tolist()


@pytest.mark.parametrize("sampled", [EVERY, 3])
@pytest.mark.parametrize(("kernel", "options"), LAYERS)
def test_the_refit_is_numpys_least_squares(kernel, options, sampled):
    model, net, step, x = stopped(kernel, options)
    net.generator.manual_seed(5)
    positions = torch.cat(step.draw(sampled))
    net.generator.manual_seed(5)
    fit = _lasso.fit(step, 4, sampled, 0.0)
    with torch.no_grad():
        reads, wanted = seen(model, net, x)
        design = columns(reads, model[4], list(fit.kept)).reshape(len(x), -1, 4 * model[4].weight[0, 0].numel())
        design = np.concatenate([design[i, positions[i]] for i in range(len(x))])
        y = np.concatenate([wanted.flatten(2).transpose(1, 2)[i, positions[i]].numpy() for i in range(len(x))])
    start = model[4].weight[:, list(fit.kept)].detach().flatten(1).numpy()  # by minimal change of the kernels where the samples do not suffice
    constant = options.get("bias", True)
    centre = (lambda a: a - a.mean(0)) if constant else (lambda a: a)
    kernels = start + np.linalg.lstsq(centre(design), centre(y) - centre(design) @ start.T, rcond=1e-9)[0].T
    assert np.allclose(fit.weight.flatten(1), kernels, rtol=1e-5, atol=1e-6)
    if constant:
        assert np.allclose(fit.shift, (y - design @ kernels.T).mean(0), atol=1e-6)


@pytest.mark.parametrize("sampled", [EVERY, 3])
def test_the_ridge_is_a_penalty_on_the_change(sampled):
    model, net, step, x = stopped(1, {"bias": False})
    net.generator.manual_seed(5)
    positions = torch.cat(step.draw(sampled))
    net.generator.manual_seed(5)
    fit = _lasso.fit(step, 6, sampled, 0.5)
    with torch.no_grad():
        reads, wanted = seen(model, net, x)
        design, y = (np.concatenate([t.flatten(2).transpose(1, 2)[i, positions[i]].numpy() for i in range(len(x))])
                     for t in (reads[:, list(fit.kept)], wanted))
    start = model[4].weight[:, list(fit.kept)].detach().flatten(1).numpy()
    root = np.sqrt(0.5 * (design**2).sum(1).mean()) * np.eye(6)
    kernels = np.linalg.lstsq(np.r_[design, root], np.r_[y, root @ start.T], rcond=None)[0].T
    assert np.allclose(fit.weight.flatten(1), kernels, rtol=1e-8)


def test_held_samples_and_their_sums_say_the_same():
    generator = torch.Generator().manual_seed(0)
    x, y, w = (torch.randn(*shape, generator=generator).double() for shape in ((50, 24), (50, 5), (5, 24)))
    scale = torch.rand(5, generator=generator).double()
    x[:, :2] = 0
    for centred in (False, True):
        whole = _lasso.Sums(10**9, centred)
        whole.add(x, y)
        whole.finish()
        held = _lasso.Sums(1, centred)
        for a, b in zip(x.split(20), y.split(20), strict=True):
            held.add(a, b)
        held.finish()
        assert whole.xx is not None and held.held and held.xx is None
        for one, two in zip(whole.contributions(w, scale, 3), held.contributions(w, scale, 3), strict=True):
            assert np.allclose(one, two)
        middle = (lambda t: t - t.mean(0)) if centred else (lambda t: t)
        z = np.stack([((middle(x)[:, 3 * c:3 * c + 3] @ w[:, 3 * c:3 * c + 3].T) * scale).numpy().ravel() for c in range(8)], 1)
        g, h = whole.contributions(w, scale, 3)
        assert np.allclose(g, z.T @ z) and np.allclose(h, z.T @ (middle(y) * scale).numpy().ravel())
        for kept in (torch.arange(6, 15), torch.arange(24)):
            for one, two in zip(whole.refit(w, kept, 0.1), held.refit(w, kept, 0.1), strict=True):
                assert torch.allclose(one, two)


def test_grouped_convolutions_are_fitted_group_by_group():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.Conv2d(12, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 2, 1)).double().eval()
    x = torch.randn(8, 3, 11, 11).double()
    net = net_of(model, x[:2])
    step = next(s for s in net.walk(x, batch_size=4, dense=True) if s.use.tensor == "2.weight")
    fit = _lasso.fit(step, 3, EVERY, 0.0)
    with torch.no_grad():
        reads = model[:2](x)
        z, y = explicit(reads, model[2]), rows(applied(reads, model[2], model[2].weight))
        z, y = z - z.mean(0), y - y.mean(0)
        assert list(fit.kept) == lasso(z.reshape(-1, 6), y.reshape(-1), 3)
        for part in range(2):
            inputs, wanted = reads.chunk(2, 1)[part], applied(reads, model[2], model[2].weight).chunk(2, 1)[part]
            kernels, constant = refitted(inputs, rows(wanted), model[2], list(fit.kept), True)
            assert np.allclose(fit.weight.chunk(2)[part].flatten(1), kernels) and np.allclose(fit.shift.chunk(2)[part], constant)


# ---- the choice where the path says too little

def test_channels_that_add_nothing_come_last():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(80, 6))
    z[:, [1, 4]] = 0
    y = z @ np.array([3, 0, 2, 1, 0, 0.5])
    g, h = z.T @ z, z.T @ y
    assert _lasso.choose(g, h, 3) == [0, 2, 3] and _lasso.choose(g, h, 4) == [0, 2, 3, 5]
    assert _lasso.choose(g, h, 5) == [0, 1, 2, 3, 5]  # of two that are never seen the earlier
    assert _lasso.choose(np.zeros((4, 4)), np.zeros(4), 2) == [0, 1]


def test_copies_do_not_stand_for_each_other_twice():
    generator = np.random.default_rng(0)
    z = generator.normal(size=(80, 5))
    z[:, 3] = z[:, 0]
    g, h = z.T @ z, z.T @ (z @ np.array([2, 1, 1, 2, 1]))
    assert len({0, 3} & set(_lasso.choose(g, h, 4))) == 1 and len(_lasso.choose(g, h, 5)) == 5


# ---- the whole method

class Tower(nn.Module):
    """Batch norms, a stride, linear layers; no bias before a norm."""

    def __init__(self):
        super().__init__()
        self.one, self.bn1 = nn.Conv2d(1, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10)
        self.two, self.bn2 = nn.Conv2d(10, 12, 3, stride=2, bias=False), nn.BatchNorm2d(12)
        self.three, self.four, self.head = nn.Conv2d(12, 9, 3, bias=False), nn.Linear(9, 8, bias=False), nn.Linear(8, 10)

    def forward(self, x):
        x = functional.relu(self.bn1(self.one(x)))
        x = functional.relu(self.three(functional.relu(self.bn2(self.two(x))))).flatten(1)
        return self.head(functional.relu(self.four(x)))


def lively(model):
    """Norms far from the identity, so that a removed channel is nowhere zero by itself."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return model.double().eval()


def caught(model, layer, x):
    """What a layer reads of x."""
    held = []
    handle = layer.register_forward_pre_hook(lambda m, inputs: held.append(inputs[0].clone()))
    with torch.no_grad():
        model(x)
    handle.remove()
    return held[0]


def naive_regression(model, x, keep):
    """Layer by layer with plain forward passes: the LASSO by coordinate descent and a bisected penalty, numpy's least squares."""
    dense, model, chosen = copy.deepcopy(model), copy.deepcopy(model), {}
    for name, norm, reader, behind in [("one", "bn1", "two", "bn2"), ("two", "bn2", "three", None), ("three", None, "four", None),
                                       ("four", None, "head", None)]:
        layer, original = model.get_submodule(reader), dense.get_submodule(reader)
        with torch.no_grad():
            reads, wanted = caught(model, layer, x), applied(caught(dense, original, x), original, original.weight)
            z, y = explicit(reads, original), rows(wanted)
            constant = behind is not None or layer.bias is not None
            if behind:
                scale = (model.get_submodule(behind).weight / (model.get_submodule(behind).running_var + 1e-5).sqrt()).numpy()
                z, y = z * scale[:, None], y * scale
            if constant:
                z, y = z - z.mean(0), y - y.mean(0)
            kept = chosen[name] = lasso(z.reshape(-1, z.shape[-1]), y.reshape(-1), keep[name])
            gone = [c for c in range(z.shape[-1]) if c not in kept]
            kernels, shift = refitted(reads, rows(wanted), layer, kept, constant)
            layer.weight[:, kept] = torch.from_numpy(kernels).reshape(layer.weight[:, kept].shape)
            for t in [layer.weight.transpose(0, 1), model.get_submodule(name).weight]:
                t[gone] = 0
            if norm:
                model.get_submodule(norm).weight[gone] = model.get_submodule(norm).bias[gone] = 0
            if layer.bias is not None:
                layer.bias += torch.from_numpy(shift)
            elif behind:
                model.get_submodule(behind).running_mean -= torch.from_numpy(shift)
    return model, chosen


def test_the_whole_method_is_the_naive_one():
    torch.manual_seed(1)
    model = lively(Tower())
    x = torch.randn(200, 1, 7, 7).double()
    keep = {"one": 6, "two": 5, "three": 5, "four": 5}
    expected, chosen = naive_regression(model, x, keep)
    net = net_of(model, x[:2])
    kept = Regression(images=200, positions=EVERY, ridge=0).select(net, [(x[:120], None), (x[120:], None)], Budget(widths=keep)).kept
    assert {n: list(kept[n]) for n in keep} == chosen and set(kept) == set(keep)
    with torch.no_grad():
        assert torch.allclose(net.model(x), expected(x), atol=1e-6)
        for name in ("two", "three", "four", "head"):
            assert torch.allclose(net.model.get_submodule(name).weight, expected.get_submodule(name).weight, atol=1e-6)


class Branches(nn.Module):
    """Two blocks as in the paper's figure 3: a shortcut without parameters, norms behind the last layers or none."""

    def __init__(self, norm=True):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.a1, self.a2, self.an = nn.Conv2d(8, 9, 3, padding=1), nn.Conv2d(9, 8, 1, bias=False), nn.BatchNorm2d(8) if norm else nn.Identity()
        self.b1, self.b2, self.bn = nn.Conv2d(8, 9, 3, padding=1), nn.Conv2d(9, 8, 1, bias=False), nn.BatchNorm2d(8) if norm else nn.Identity()
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = functional.relu(x + self.an(self.a2(functional.relu(self.a1(x)))))
        x = functional.relu(self.bn(self.b2(functional.relu(self.b1(x)))) + x)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("norm", [True, False])
def test_the_last_layer_of_a_branch_makes_up_for_its_shortcut(norm):
    torch.manual_seed(0)
    model = lively(Branches(norm))
    x = torch.randn(60, 1, 6, 6).double()
    net = net_of(model, x[:2], inner=True)
    [*_, last] = kept = Regression(images=60, positions=EVERY, ridge=0).select(net, [(x, None)], Budget(widths={"a1": 4, "b1": 4})).kept
    assert last == "b1" and set(kept) == {"a1", "b1"}
    with torch.no_grad():
        reads, now = caught(net.model, net.model.b2, x), caught(net.model, net.model.b1, x)
        y1, y2 = caught(model, model.b1, x), applied(caught(model, model.b2, x), model.b2, model.b2.weight)
        scale = (model.bn.weight / (model.bn.running_var + 1e-5).sqrt())[:, None, None] if norm else 1
        wanted = y2 + (y1 - now) / scale  # Y1 - Y1' + Y2, before the norm
        kernels, shift = refitted(reads, rows(wanted), model.b2, list(kept["b1"]), norm)
        assert torch.allclose(net.model.b2.weight[:, list(kept["b1"])].flatten(1), torch.from_numpy(kernels), atol=1e-7)
        if norm:
            assert torch.allclose(net.model.bn.running_mean, model.bn.running_mean - torch.from_numpy(shift), atol=1e-7)
        assert float((y1 - now).abs().max()) > 0.05


def test_what_a_branch_reads_is_chosen_and_fitted_like_any_channels():
    torch.manual_seed(0)
    model = lively(Branches())
    x = torch.randn(80, 1, 6, 6).double()
    method = Regression(images=80, positions=EVERY, ridge=0, reads=0.5)
    net = net_of(model, x[:2], inner=True)
    budget = foresee(model, method, Budget(ratio=0.25), net.trace).budget
    assert budget.reads == {"a1": 4, "b1": 4} and budget.widths == {"a1": 6, "b1": 6}
    chosen = method.select(net, [(x, None)], budget)
    with torch.no_grad():
        reads = caught(model, model.a1, x)
        z, y = explicit(reads, model.a1), rows(applied(reads, model.a1, model.a1.weight))
        assert list(chosen.reads["a1"]) == lasso((z - z.mean(0)).reshape(-1, 8), (y - y.mean(0)).reshape(-1), 4)
        kernels, shift = refitted(reads, y, model.a1, list(chosen.reads["a1"]), True)
        left = list(chosen.kept["a1"])  # of what it writes the rest is zero in the end
        assert torch.allclose(net.model.a1.weight[left][:, list(chosen.reads["a1"])].flatten(1), torch.from_numpy(kernels)[left], atol=1e-7)
        assert torch.allclose(net.model.a1.bias[left], (model.a1.bias + torch.from_numpy(shift))[left], atol=1e-7)
    pruned = prune(model, method, 0.25, [(x, None)], x[:2])
    assert pruned.selection == chosen and pruned.report["equivalence"] < 1e-9
    assert pruned.model.b1.weight.shape == (6, 4, 3, 3) and pruned.architecture.selects == chosen.reads
    assert pruned.report["macs"]["pruned"] == foresee(model, method, Budget(ratio=0.25), net.trace).pruned.macs
    again = build(pruned.architecture, model=Branches).double()
    again.load_state_dict(pruned.model.state_dict())
    assert torch.equal(again.eval()(x), pruned.model(x))


# ---- on trained and on common networks

def digits():
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1, torch.tensor(labels)


def trained_on_digits(model, epochs=8, lr=0.05):
    x, y = digits()
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(899).split(64):
            optimiser.zero_grad()
            functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    return model.eval()


@pytest.fixture(scope="module")
def trained():
    """A small network trained on the first half of digits, and both halves."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = trained_on_digits(nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10)))
    x, _ = digits()
    return model, x[:899], x[899:]


@pytest.mark.parametrize(("group", "reader"), [("0", 3), ("3", 6), ("6", 9)])
def test_the_next_layer_is_restored_better_than_by_l1_norm_or_at_random(trained, group, reader):
    model, train, held_out = trained
    net = net_of(model, train[:2])
    [g] = [g for g in net.groups if g.name == group]
    net.groups = (g,)
    with torch.no_grad():
        reads = model[:reader](held_out)
        behind = (lambda y: model[reader + 1](y)) if isinstance(model[reader + 1:reader + 2], nn.Sequential) and reader == 3 else (lambda y: y)
        wanted = behind(model[reader](reads))
        at = g.uses[[u.tensor for u in g.uses].index(f"{reader}.weight")].at

        def error(out):
            """Squared error of the next layer's output, relative to its variance."""
            return float((out - wanted).square().sum() / (wanted - wanted.mean(0)).square().sum())

        def without(kept):
            other = copy.deepcopy(model[reader])
            places = torch.as_tensor(at[[c for c in range(g.width) if c not in kept]].ravel())
            other.weight[:, places] = 0
            return error(behind(other(reads)))
        kept = Regression(images=256).select(net, [(train, None)], Budget(ratio=0.5)).kept[group]
        after = net.model[reader](reads)
        ours = error(net.model[reader + 1](after) if reader == 3 else after)
        largest = without(model[int(group)].weight.abs().flatten(1).sum(1).topk(len(kept)).indices.tolist())
        drawn = [without(torch.randperm(g.width, generator=torch.Generator().manual_seed(s))[:len(kept)].tolist()) for s in range(10)]
    assert ours < 0.8 * min(largest, *drawn), (ours, largest, min(drawn))


def test_each_part_helps_a_residual_network_on_held_out_images(monkeypatch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = trained_on_digits(build_model("resnet-digits", 10, 1), epochs=3)
    x, _ = digits()
    trace = read(model, x[:2])

    def spoilt(method):
        """Squared error of the logits on held-out images, with half of each inner group gone."""
        net = Net(private_copy(model), trace, torch.Generator().manual_seed(0), tuple(g for g in trace.groups if g.inner))
        kept = method.select(net, [(x[:899], None)], Budget(ratio=0.5)).kept
        with torch.no_grad():
            for group in net.groups:
                net.zero(group, kept[group.name])
            return float((net.model(x[899:]) - model(x[899:])).square().mean())
    whole, others = spoilt(Regression()), [spoilt(method) for method in (L1Norm(), Random(), ThiNet())]
    assert whole < 0.5 * min(others), (whole, others)
    assert spoilt(Regression(images=16)) < spoilt(Regression(images=16, ridge=0))
    monkeypatch.setattr(Step, "lost", lambda self, positions: None)
    assert whole < spoilt(Regression())


def torchvision_resnet18(classes):
    torchvision = pytest.importorskip("torchvision")
    return torchvision.models.resnet18(num_classes=classes)


@pytest.mark.parametrize(("make", "shape", "reads", "budget"), [
    (lambda: build_model("vgg-digits", 10, 1), (1, 8, 8), 0.0, 0.5), (lambda: build_model("resnet-digits", 10, 1), (1, 8, 8), 0.0, 0.5),
    (lambda: build_model("resnet20", 10), (3, 16, 16), 0.25, 0.5),
    (lambda: torchvision_resnet18(10), (3, 32, 32), 0.0, {"ratios": {"layer[12].*": 0.5}, "reads": {"layer1.0.conv1": 48, "layer2.1.conv1": 96}})],
    ids=["vgg-digits", "resnet-digits", "resnet20", "resnet18"])
def test_through_prune(make, shape, reads, budget):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = make(), torch.randn(24, *shape)
    data, method = [(x[:16], None), (x[16:], None)], Regression(images=24, reads=reads)
    pruned = prune(model, method, budget, data)
    assert pruned.report["equivalence"] < 1e-5 and bool(pruned.selection.reads) is bool(reads or budget != 0.5)
    kept = {name: len(indices) for name, indices in pruned.selection.kept.items()}
    assert kept and kept == {name: pruned.model.get_submodule(name).weight.shape[0] for name in kept}
    assert all(count == model.get_submodule(name).weight.shape[0] // (1 if name.startswith(("layer3", "layer4")) and budget != 0.5 else 2)
               for name, count in kept.items())
    assert all(len(indices) == model.get_submodule(path).weight.shape[1] * 3 // 4 for path, indices in pruned.selection.reads.items())


def test_the_same_seed_gives_the_same_bits(trained):
    model, train, _ = trained
    one, two = (prune(model, Regression(images=64), 0.5, [(train, None)], seed=3) for _ in range(2))
    assert one.selection == two.selection and all(torch.equal(v, two.model.state_dict()[k]) for k, v in one.model.state_dict().items())


def test_a_network_without_branches_has_nothing_to_gather(trained):
    model, train, _ = trained
    with pytest.raises(BenchError, match="no branch") as error:
        prune(model, Regression(reads=0.5), 0.5, [(train, None)])
    assert error.value.kind == "not_applicable"


class Shared(nn.Module):
    """A layer used twice: no place to stop."""

    def __init__(self):
        super().__init__()
        self.stem, self.twice, self.head = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.twice(functional.relu(self.twice(functional.relu(self.stem(x))))).mean((2, 3)))


def test_a_group_without_a_stop_keeps_its_largest_filters():
    x = torch.randn(4, 3, 5, 5)
    net = net_of(Shared().eval(), x)
    [group] = net.groups
    size = net.filters(group).detach().abs().sum(1)
    kept = Regression(images=4).select(net, [(x, None)], Budget(ratio=0.5)).kept[group.name]
    assert list(kept) == size.topk(3).indices.sort().values.tolist()


def test_settings_and_data_are_checked():
    nan, inf = float("nan"), float("inf")
    for wrong in ({"images": 0}, {"positions": 0}, {"ridge": -1.0}, {"ridge": nan}, {"ridge": inf}, {"reads": 1.0}, {"reads": -0.1}):
        with pytest.raises(BenchError, match=next(iter(wrong))):
            Regression(**wrong)
    x = torch.randn(2, 1, 7, 7)
    with pytest.raises(BenchError, match="none"):
        Regression().select(net_of(Tower().eval(), x), [], Budget(ratio=0.5))
    seen, net = [], net_of(Tower().eval(), x)

    def data():
        while True:
            seen.append(1)
            yield torch.randn(8, 1, 7, 7), None
    Regression(images=20).select(net, data(), Budget(ratio=0.5))
    assert len(seen) == 3
