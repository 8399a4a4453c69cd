"""The walk computes what the zeroed network computes, and shows at each stop what the layer really reads."""
from __future__ import annotations

import copy
import gc

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.graph import read
from benchbase.nets.interpret import runnable
from benchbase.nets.net import Net, private_copy
from benchbase.nets.surgery import slice_


def conv(i, o, k=3, **options):
    return nn.Sequential(nn.Conv2d(i, o, k, padding=k // 2, **options), nn.BatchNorm2d(o))


class Chain(nn.Module):
    """In-place activations, a pool, a flatten into a linear layer, a last norm."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*conv(3, 8), nn.ReLU(inplace=True), *conv(8, 6, stride=2), nn.SiLU(), nn.MaxPool2d(2),
                                  nn.Conv2d(6, 4, 1), nn.Sigmoid())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(16, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, 3))

    def forward(self, x):
        return self.head(self.body(x))


class Residual(nn.Module):
    """A stream with several producers and readers, a norm behind the addition, a squeeze-and-excite gate."""

    def __init__(self):
        super().__init__()
        self.stem, self.a1, self.a2, self.b1, self.b2 = conv(3, 8), conv(8, 6), conv(6, 8), conv(8, 5), conv(5, 8)
        self.squeeze, self.excite, self.norm, self.head = nn.Conv2d(5, 2, 1), nn.Conv2d(2, 5, 1), nn.BatchNorm2d(8), nn.Linear(8, 3)

    def forward(self, x):
        x = functional.relu(self.stem(x))
        x = functional.relu(x + self.a2(functional.relu_(self.a1(x))))
        y = functional.relu(self.b1(functional.relu(self.norm(x))))
        y = y * torch.sigmoid(self.excite(functional.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        x += self.b2(y)
        return self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Branches(nn.Module):
    """Concatenation, a depthwise and a grouped convolution, a channel shuffle with the batch size written into its view."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.depth = conv(3, 4), conv(3, 6, 1), conv(10, 10, groups=10)
        self.mix, self.grouped, self.head = conv(10, 8, 1), nn.Conv2d(8, 6, 3, groups=2), nn.Linear(6, 3)

    def forward(self, x):
        x = functional.relu(torch.cat([self.one(x), self.two(x)], 1))
        x = functional.relu(self.mix(functional.hardswish(self.depth(x)))).contiguous()
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(functional.relu(self.grouped(x)).mean((2, 3)))


class Tied(nn.Module):
    """Its code knows one batch size only."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3), nn.Linear(5, 3)

    def forward(self, x):
        x = functional.relu(self.one(x))
        x = torch.cat([x[i:i + 1] for i in range(int(x.shape[0]))]).view(int(x.shape[0]), *x.shape[1:])
        return self.head(functional.relu(self.two(x)).mean((2, 3)))


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.three, self.four = nn.Conv1d(3, 8, 3), nn.Conv1d(8, 6, 3), nn.Linear(6, 7), nn.Linear(7, 3)

    def forward(self, x):
        x = functional.relu(self.two(functional.relu(self.one(x.flatten(2)))))
        return self.four(functional.gelu(self.three(x.transpose(1, 2)))).mean(1)


NETS = [Chain, Residual, Branches, Tied, Sequence]
X = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def net_of(make, x=X[:2]) -> Net:
    """A network whose norms are far from the identity, so that a removed channel is nowhere zero by itself."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make().eval()
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.is_floating_point() and t.dim() == 1:
                t.data.add_(torch.rand(t.shape))
    trace = read(model, x)
    return Net(private_copy(model), trace, torch.Generator().manual_seed(0), trace.groups)


def finish(walk, act):
    """Run the walk; what it returned."""
    while True:
        try:
            act(next(walk))
        except StopIteration as end:
            return torch.cat(end.value)


def half(group):
    return list(range(group.width % 2, group.width, 2))


@pytest.mark.parametrize("make", NETS)
def test_the_walked_stream_is_the_zeroed_and_the_sliced_network(make):
    net, steps = net_of(make), []
    before, images = copy.deepcopy(net.model), X.clone()
    assert net.groups

    def act(step):
        steps.append(step)
        kept = step.kept or half(step.group)
        step.keep(kept, scale=0.5 + torch.rand(len(kept), generator=net.generator))
    out = finish(net.walk(images, batch_size=3, to_end=True), act)
    assert torch.equal(images, X) and {s.group.name for s in steps} == {g.name for g in net.groups}
    assert all(s.use is not None for s in steps)
    with torch.no_grad():
        assert not torch.allclose(before(X), out, atol=1e-3)
        assert torch.allclose(net.model(X), out, atol=1e-6)
        small = copy.deepcopy(net.model)
        slice_(small, net.groups, {g.name: half(g) for g in net.groups})
        assert torch.allclose(small(X), out, atol=1e-5)
    assert not net.model.training


@pytest.mark.parametrize("make", NETS)
@pytest.mark.parametrize("dense", [False, True])
def test_each_stop_shows_what_the_layer_reads(make, dense):
    net = net_of(make)
    original = copy.deepcopy(net.model)
    for step in net.walk(X, batch_size=3, dense=dense):
        layer = step.use.tensor.removesuffix(".weight")
        assert torch.allclose(torch.cat(list(step.inputs)), seen(net.model, layer), atol=1e-6)
        assert (step.dense is None) is (not dense)
        if dense:
            assert torch.allclose(torch.cat(list(step.dense)), seen(original, layer), atol=1e-6)
            assert torch.equal(step.original, original.get_parameter(step.use.tensor))
        step.keep(step.kept or half(step.group))


def seen(model, layer):
    """What a layer reads of X, caught by a hook in a plain forward pass."""
    caught = []
    handle = model.get_submodule(layer).register_forward_pre_hook(lambda m, inputs: caught.append(inputs[0].clone()))
    with torch.no_grad():
        model(X)
    handle.remove()
    return caught[0]


def test_edits_between_stops_take_effect():
    net, edits = net_of(Chain), []

    def act(step):
        if not edits:
            edits.extend(net.model.head.parameters())
            with torch.no_grad():
                for p in edits:
                    p.mul_(1.1)
    out = finish(net.walk(X, to_end=True), act)
    with torch.no_grad():
        assert torch.allclose(net.model(X), out, atol=1e-6)


def test_a_walk_left_early_leaves_a_whole_network():
    net = net_of(Residual)
    for step in net.walk(X):
        step.keep(half(step.group))
        break
    del step
    gone = sorted(set(range(8)) - set(half(net.groups[0])))
    stem = net.model.stem
    assert not any(t.detach().any() for t in (stem[0].weight[gone], stem[1].bias[gone], net.model.b1[0].weight[:, gone]))


def test_nothing_kept_changes_nothing():
    net = net_of(Residual)
    before = copy.deepcopy(net.model.state_dict())
    steps = list(net.walk(X, dense=True))
    assert all(torch.equal(v, before[k]) for k, v in net.model.state_dict().items())
    [stream] = [g for g in net.groups if g.width == 8]
    assert [s.use.tensor for s in steps if s.group is stream] == ["a1.0.weight", "b1.0.weight", "head.weight"]


class Shared(nn.Module):
    """One layer used twice, and a product of activations over channels: no place to stop."""

    def __init__(self):
        super().__init__()
        self.stem, self.twice, self.head = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1), nn.Linear(6, 3)
        self.query, self.last = nn.Conv2d(6, 5, 1), nn.Conv2d(5, 6, 1)

    def forward(self, x):
        x = self.twice(functional.relu(self.twice(functional.relu(self.stem(x)))))
        q = functional.relu(self.query(x)).flatten(2)
        x = x + self.last(functional.relu(self.query(x))) * (q.transpose(1, 2) @ q).mean((1, 2))[:, None, None, None]
        return self.head(x.mean((2, 3)))


def test_groups_without_a_stop_come_first_and_are_zero_from_the_start():
    net, steps = net_of(Shared), []

    def act(step):
        steps.append(step)
        step.keep(step.kept or half(step.group))
    out = finish(net.walk(X, to_end=True), act)
    assert steps and all(s.use is None and not s.inputs for s in steps)
    with pytest.raises(BenchError, match="where the walk can stop"):
        steps[0].weight  # noqa: B018
    with torch.no_grad():
        assert torch.allclose(net.model(X), out, atol=1e-6)


def test_choices_are_checked():
    net = net_of(Residual)
    for step in net.walk(X):
        if step.kept is None:
            for wrong in ([], [0, 0], [-1], [99]):
                with pytest.raises(BenchError, match="cannot keep"):
                    step.keep(wrong)
            with pytest.raises(BenchError, match="chosen once"):
                step.keep()
            step.keep([1])
        with pytest.raises(BenchError, match="chosen once"):
            step.keep([0, 1])
    with pytest.raises(BenchError, match="no images"):
        list(net.walk([]))


def test_new_kernels_are_written_in_the_order_of_the_kept_channels():
    net = net_of(Chain)
    [group] = [g for g in net.groups if g.width == 4]  # flattened: four entries of the linear layer each
    [step] = net.walk(X, groups=[group])
    new = torch.randn(10, 8)
    step.keep([1, 3], weight=new)
    assert torch.equal(net.model.head[1].weight[:, [4, 5, 6, 7, 12, 13, 14, 15]].detach(), new)
    assert float(net.model.head[1].weight[:, [0, 1, 2, 3, 8, 9, 10, 11]].detach().abs().sum()) == 0


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"padding": (0, 2), "stride": (3, 1)}, {"dilation": 2, "padding": 2},
                                     {"padding": "same", "kernel_size": (4, 3)}, {"padding": "valid"}, {"kernel_size": 1, "stride": 2}])
def test_patches_are_the_windows_of_the_convolution(options):
    layer = nn.Conv2d(4, 5, **{"kernel_size": 3, "bias": False} | options).double()
    model = nn.Sequential(nn.Conv2d(3, 4, 1).double(), layer, nn.ReLU(), nn.Conv2d(5, 2, 1).double()).eval()
    trace, x = read(model, X[:2].double()), X.double()
    net = Net(model, trace, torch.Generator().manual_seed(0), trace.groups)
    step = next(s for s in net.walk(x, batch_size=4) if s.use.tensor == "1.weight")
    with torch.no_grad():
        whole = layer(model[0](x)).flatten(2)
    positions = step.draw(5)
    at = torch.cat(positions)
    assert at.shape == (7, 5) and all(len(set(row.tolist())) == 5 for row in at)
    got = step.patches(positions).flatten(1) @ layer.weight.detach().flatten(1).T
    assert torch.allclose(got.reshape(7, 5, 5), whole.gather(2, at[:, None].expand(-1, 5, -1)).transpose(1, 2))
    everything = step.draw(10**6)
    assert torch.allclose((step.patches(everything).flatten(1) @ layer.weight.detach().flatten(1).T).reshape(7, -1, 5), whole.transpose(1, 2))


def test_memory_is_the_frontier():
    model = nn.Sequential(*[m for _ in range(8) for m in (nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())], nn.Flatten(), nn.Linear(75, 2)).eval()
    x = torch.randn(6, 3, 5, 5)
    trace = read(model, x[:2])
    net = Net(model, trace, torch.Generator(), trace.groups)
    for step in net.walk(x, batch_size=2):
        gc.collect()
        alive = {t.data_ptr() for t in gc.get_objects() if type(t) is torch.Tensor and t.shape == (2, 3, 5, 5)}
        assert len(alive) <= 3 + 3, step.use.tensor  # what the layer reads, and the caller's images


def test_no_more_than_batch_size_images_are_run_at_once():
    given = [X[:5], X[5:]]
    steps = list(net_of(Chain).walk(given, batch_size=2))
    assert [[len(x) for x in s.inputs] for s in steps] == [[2, 2, 1, 2]] * len(steps)
    one, parts = (next(iter(net_of(Chain).walk(X, batch_size=size))) for size in (7, 2))
    assert torch.equal(torch.cat(one.draw(3)), torch.cat(parts.draw(3)))  # a method's samples do not depend on it


def test_a_batch_size_in_the_models_code_ties_the_batches():
    net = net_of(Tied)
    ready = runnable(net.model, net.trace.program, (X[:3],))
    assert ready.batch == 3
    net = net_of(Branches)
    assert runnable(net.model, net.trace.program, (X[:3],)).batch is None
    steps = list(net_of(Tied).walk(X, batch_size=3))
    assert [[len(x) for x in s.inputs] for s in steps] == [[3, 3, 1]] * len(steps)
