"""Which channels go together, on networks small enough to say it by hand; and that nothing is wrong in silence."""
from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchbase.errors import BenchError
from benchbase.nets.gather import ChannelSelect
from benchbase.nets.graph import read
from benchbase.nets.net import private_copy
from benchbase.nets.seeded import global_state, moved
from benchbase.nets.surgery import slice_, zero_
from benchbase.nets.trial import Bench
from benchbase.nets.weights import digest_of

X = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Layers by name, and a forward given as a function of the network and the input."""

    def __init__(self, forward, **layers) -> None:
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.head = nn.Linear(8, 5)
        self.act = forward
        for p in self.parameters():
            p.data.normal_(0, 0.5, generator=torch.Generator().manual_seed(p.numel()))

    def forward(self, x):
        return self.head(self.act(self, x).mean((2, 3)))


def conv(i, o, k=3, **more):
    return nn.Conv2d(i, o, k, padding=k // 2, **more)


def half(group):
    return sorted(torch.randperm(group.width, generator=torch.Generator().manual_seed(group.width))[:group.width - group.width // 2].tolist())


def disagreement(model, x=X) -> float:
    """Largest difference of the zeroed and the sliced network, half of every group gone, in units of the largest output."""
    trace = read(model, x)
    kept = {g.name: half(g) for g in trace.groups}
    zeroed, sliced = private_copy(model).eval(), private_copy(model).eval()
    for g in trace.groups:
        zero_(zeroed, g, sorted(set(range(g.width)) - set(kept[g.name])))
    slice_(sliced, trace.groups, kept)
    with torch.no_grad():
        a, b = zeroed(x), sliced(x)
    return float((a - b).abs().max() / a.abs().max())


def names(model, x=X):
    return {g.name: (g.width, g.inner) for g in read(model, x).groups}


def reasons(model, layer, x=X):
    return [p.why for p in read(model, x).pins if p.tensor == f"{layer}.weight"]


def test_a_chain():
    model = Net(lambda m, x: m.b(functional.relu(m.n(m.a(x)))), a=conv(3, 6), n=nn.BatchNorm2d(6), b=conv(6, 8))
    trace = read(model, X)
    assert names(model) == {"a": (6, True), "b": (8, True)}
    assert {(u.tensor, u.dim): u.at.shape for u in trace.groups[0].uses} == {
        ("a.weight", 0): (6, 1), ("a.bias", 0): (6, 1), ("n.weight", 0): (6, 1), ("n.bias", 0): (6, 1), ("b.weight", 1): (6, 1),
        ("n.running_mean", 0): (6, 1), ("n.running_var", 0): (6, 1)}
    assert [p.tensor for p in trace.pins] == ["head.weight"] and "output" in trace.pins[0].why


def test_a_network_of_its_output_alone_has_no_groups():
    trace = read(nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()), X)
    assert trace.groups == () and [(pin.tensor, pin.channels) for pin in trace.pins] == [("0.weight", 4)] and trace.positions == (("0.weight", 1),)


def test_the_model_and_the_generators_are_left_alone():
    model = Net(lambda m, x: functional.dropout(m.b(m.n(m.a(x))), training=m.training), a=conv(3, 6), n=nn.BatchNorm2d(6), b=conv(6, 8)).train()
    model.n.eval()
    before, state = digest_of(model.state_dict()), global_state()
    read(model, X)
    assert digest_of(model.state_dict()) == before and moved(state, global_state()) == "" and model.training and not model.n.training


def test_an_addition_ties_and_is_not_inner():
    model = Net(lambda m, x: m.a(x) + m.c(functional.relu(m.b(m.a(x)))), a=conv(3, 8), b=conv(8, 6), c=conv(6, 8))
    assert names(model) == {"a": (8, False), "b": (6, True)}
    assert read(model, X).groups[0].producers == ("a", "c")
    assert disagreement(model) < 1e-5


def test_a_gate_is_no_second_producer():
    def squeeze(m, x):
        x = m.a(x)
        return m.b(x * torch.sigmoid(m.up(functional.relu(m.down(x.mean((2, 3), keepdim=True))))))
    model = Net(squeeze, a=conv(3, 8), down=conv(8, 4, 1), up=conv(4, 8, 1), b=conv(8, 8))
    assert names(model) == {"a": (8, True), "down": (4, True), "b": (8, True)} and read(model, X).groups[0].producers == ("a", "up")
    assert disagreement(model) < 1e-5


def test_concatenation_keeps_the_parts_apart():
    model = Net(lambda m, x: m.c(torch.cat([m.a(x), m.b(x)], 1)), a=conv(3, 4), b=conv(3, 6), c=conv(10, 8))
    trace = read(model, X)
    at = {g.name: next(u.at for u in g.uses if u.tensor == "c.weight" and u.dim == 1).ravel().tolist() for g in trace.groups[:2]}
    assert at == {"a": [0, 1, 2, 3], "b": [4, 5, 6, 7, 8, 9]} and disagreement(model) < 1e-5


@pytest.mark.parametrize(("layers", "forward"), [
    ({"a": conv(3, 8), "d": conv(8, 8, groups=8), "b": conv(8, 8)}, lambda m, x: m.b(m.d(m.a(x)))),
    ({"a": conv(3, 4), "d": conv(4, 8, groups=4), "b": conv(8, 8)}, lambda m, x: m.b(m.d(m.a(x)))),
    ({"a": conv(3, 8), "d": conv(8, 12, groups=4), "b": conv(12, 8)}, lambda m, x: m.b(m.d(m.a(x)))),
    ({"a": conv(3, 8), "d": nn.ConvTranspose2d(8, 6, 2, 2), "b": conv(6, 8)}, lambda m, x: m.b(m.d(m.a(x)))),
    ({"a": conv(3, 8), "d": nn.PReLU(8), "b": conv(8, 8)}, lambda m, x: m.b(m.d(m.a(x)))),
    ({"a": conv(3, 8), "b": conv(4, 8)}, lambda m, x: m.b(functional.glu(m.a(x), 1))),
    ({"a": conv(3, 8), "b": conv(8, 8)}, lambda m, x: m.b(torch.cat([p.flip(3) for p in m.a(x).chunk(2, 1)], 1))),
    ({"a": conv(3, 8), "b": conv(8, 8)},
     lambda m, x: m.b((lambda y: y.view(2, 2, y.shape[1] // 2, 8, 8).transpose(1, 2).reshape(2, -1, 8, 8))(m.a(x)))),
    ({"a": conv(3, 8), "l": nn.Linear(8 * 64, 8)}, lambda m, x: m.l(m.a(x).flatten(1))[:, :, None, None]),
    ({"a": conv(3, 8), "l": nn.Linear(8, 6), "k": nn.Linear(6, 8)}, lambda m, x: m.k(m.l(m.a(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)),
    ({"a": conv(3, 8), "b": conv(8, 8)}, lambda m, x: m.b(functional.pad(m.a(x), (1, 1, 1, 1)))),
    ({"a": conv(3, 6), "b": conv(8, 8)}, lambda m, x: m.b(functional.pad(m.a(x), (0, 0, 0, 0, 0, 2)))),
    ({"a": conv(3, 8), "i": nn.InstanceNorm2d(8, affine=True), "b": conv(8, 8)}, lambda m, x: m.b(m.i(m.a(x)))),
    ({"a": conv(3, 8), "b": conv(8, 8)}, lambda m, x: m.b(functional.interpolate(functional.max_pool2d(m.a(x), 2), scale_factor=2))),
    ({"a": conv(3, 16), "b": conv(4, 8)}, lambda m, x: m.b(functional.pixel_shuffle(m.a(x), 2))),
    ({"a": conv(3, 8), "b": conv(32, 8)}, lambda m, x: m.b(functional.pixel_unshuffle(m.a(x), 2))),
    ({"a": conv(3, 8), "b": conv(8, 8)}, lambda m, x: m.b(functional.channel_shuffle(m.a(x), 2))),
    ({"a": conv(3, 8), "l": nn.Linear(72, 8)}, lambda m, x: m.l(functional.unfold(m.a(x), 3, padding=1).mT).mT.unflatten(2, (8, 8))),
    ({"a": conv(3, 16), "b": conv(4, 8)}, lambda m, x: m.b(functional.fold(m.a(x).flatten(2), 16, 2, stride=2))),
    ({"a": conv(3, 8), "g": conv(2, 8), "b": conv(8, 8)}, lambda m, x: m.b(functional.conv2d(m.a(x), m.g.weight, groups=4))),
    ({"a": conv(3, 8), "b": conv(8, 8)}, lambda m, x: m.b((lambda y: functional.conv2d(y, torch.ones(1, 1, 3, 3).expand(y.shape[1], -1, -1, -1),
                                                                                     groups=y.shape[1]))(m.a(x)))),
    ({"a": conv(3, 8), "b": conv(8, 8)}, lambda m, x: m.b(torch.fft.irfft2(torch.fft.rfft2(m.a(x)), s=(8, 8)))),
    ({"a": conv(3, 8), "b": conv(4, 8)}, lambda m, x: m.b((lambda y: y.view(2, -1, 2, 8, 8).sum(2))(m.a(x)))),
    ({"a": conv(3, 8), "b": conv(5, 8)}, lambda m, x: m.b(m.a(x)[:, 3:])), ({"a": conv(3, 8), "b": conv(5, 8)}, lambda m, x: m.b(m.a(x)[:, :-3])),
    ({"a": conv(3, 8), "b": conv(8, 8), "q": nn.Linear(8, 6), "k": nn.Linear(8, 6)},
     lambda m, x: m.b(x.new_ones(2, 8, 8, 8)
                      + torch.einsum("bnc,bmc->bnm", *(f(m.a(x).flatten(2).mT) for f in (m.q, m.k))).softmax(-1)[:, :1, :8, None]))])
def test_zeroed_and_sliced_agree(layers, forward):
    assert disagreement(Net(forward, **layers)) < 1e-5


@pytest.mark.parametrize(("forward", "why"), [
    (lambda m, x: m.b(torch.renorm(m.a(x), 2, 1, 1)), "without a rule (renorm in the model)"),
    (lambda m, x: m.b(m.a(x).cumsum(1)), "places along it"),
    (lambda m, x: m.b(torch.softmax(m.a(x), 1)), "softmax"), (lambda m, x: m.b(functional.layer_norm(m.a(x), (8, 8, 8))), "norm over channels"),
    (lambda m, x: m.b(functional.group_norm(m.a(x), 2)), "norm over channels"),
    (lambda m, x: m.b(m.a(x) - m.a(x).mean(1, keepdim=True)), "reduction"),
    (lambda m, x: m.b(torch.cat([p.flip(3) for p in m.a(x).split([3, 5], 1)], 1)), "written in code"),
    (lambda m, x: m.b(m.a(x).index_select(1, torch.arange(8).flip(0))), "gathered"),
    (lambda m, x: m.b(m.a(x)[:, torch.tensor([1, 0, 2, 3, 4, 5, 6, 7])]), "index"),
    (lambda m, x: m.b(m.a(x).sort(1).values), "places along it"), (lambda m, x: m.b(m.a(x).roll(3, 1)), "places along it"),
    (lambda m, x: m.b(m.a(x).unfold(1, 8, 8).squeeze(1).movedim(-1, 1)), "windows of places"),
    (lambda m, x: m.b(m.a(x)[:, 1::2].repeat(1, 2, 1, 1)), "places written in code"),
    (lambda m, x: m.b(functional.conv2d(m.a(x), torch.eye(8)[:, :, None, None])), "no channel of a layer")])
def test_what_mixes_channels_pins_and_is_named(forward, why):
    model = Net(forward, a=conv(3, 8), b=conv(8, 8), g=conv(2, 8))
    assert "a" not in names(model) and any(why in text for text in reasons(model, "a")), reasons(model, "a")
    assert disagreement(model) < 1e-5


@pytest.mark.parametrize(("act", "free"), [(functional.relu, True), (lambda t: functional.elu(t) + 1, False),
                                           (torch.sigmoid, False), (torch.exp, False),
                                           (lambda t: t.softmax(1), False), (lambda t: functional.silu(t) * 2, True)])
def test_a_sum_over_channels_needs_zeros(act, free):
    def linear_attention(m, x):
        q, k, v = (f(x.flatten(2).mT) for f in (m.q, m.k, m.v))
        return m.b((act(q) @ (act(k).mT @ v)).mT.unflatten(2, (8, 8)))
    model = Net(linear_attention, q=nn.Linear(3, 6), k=nn.Linear(3, 6), v=nn.Linear(3, 8), b=conv(8, 8))
    assert ("q" in names(model)) is free and "v" in names(model)
    assert free or "not zero where their weights are" in reasons(model, "q")[0]
    assert disagreement(model) < 1e-5


@pytest.mark.parametrize("forward", [
    lambda m, x: m.b(m.a(x) * m.a(x).shape[1] ** -0.5),  # a factor that follows the width
    lambda m, x: m.b((lambda y: y.view(2, y.shape[1] // 4, 4, 8, 8).transpose(1, 2).flatten(1, 2))(m.a(x))),  # which part shrinks cannot be told
    lambda m, x: m.b(m.a(x)) if m.a(x).shape[1] == 32 else m.b(m.a(x)).relu()])
def test_what_runs_and_computes_something_else_is_found_out_by_trial(forward):
    model = Net(forward, a=conv(3, 32), b=conv(32, 8))
    assert "a" not in names(model) and "computes something else" in reasons(model, "a")[0]
    assert disagreement(model) < 1e-5


def test_trials_see_dead_branches():
    model = Net(lambda m, x: m.b(m.a(x)) + m.n(m.b(m.a(x) * m.a(x).shape[1] ** -0.5)), a=conv(3, 12), b=conv(12, 8), n=nn.BatchNorm2d(8))
    nn.init.zeros_(model.n.weight)
    assert "a" not in names(model)


def test_blocks_of_one_kind_are_tried_together(monkeypatch):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.up, self.own, self.down = conv(8, 6), conv(8, 6), conv(6, 8)

        def forward(self, x):
            return x + self.down(self.up(x) + self.own(x).reshape(2, 6, 64).reshape(2, 6, 8, 8))
    model = Net(lambda m, x: m.stages(m.stem(x)), stem=conv(3, 8), stages=nn.Sequential(*(Block() for _ in range(9))))
    counted = []
    monkeypatch.setattr(Bench, "stops", lambda self, groups, stops=Bench.stops: counted.append(len(groups)) or stops(self, groups))
    assert list(names(model)) == ["stem"] and len(counted) < 8
    assert disagreement(model) < 1e-5


def test_a_number_of_a_module_follows_its_buffer():
    class Blur(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.channels, self.size = channels, channels
            self.register_buffer("kernel", torch.ones(channels, 1, 3, 3) / 9)

        def forward(self, x):
            return functional.conv2d(x, self.kernel, groups=self.channels)
    model = Net(lambda m, x: m.b(m.blur(m.a(x))), a=conv(3, 8), blur=Blur(8), b=conv(8, 8))
    assert names(model)["a"] == (8, True) and disagreement(model) < 1e-5
    slice_(model, read(model, X).groups, {"a": [0, 1, 2]})
    assert model.blur.channels == 3 and model.blur.size == 8


def test_an_einsum_with_a_parameter_is_a_layer():
    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(8, 6))

        def forward(self, x):
            return torch.einsum("bchw,cd->bdhw", x, self.weight)
    model = Net(lambda m, x: m.b(m.p(m.a(x))), a=conv(3, 8), p=Product(), b=conv(6, 8))
    assert names(model) == {"a": (8, True), "p": (6, True), "b": (8, True)} and disagreement(model) < 1e-5
    assert dict(read(model, X).positions)["p.weight"] == 64


def test_a_flag_that_changes_nothing_needs_one_export(monkeypatch):
    exports = []
    monkeypatch.setattr("benchbase.nets.graph.exported_training", lambda *a: exports.append(a))
    plain = Net(lambda m, x: functional.dropout(m.b(m.n(m.a(x))), training=m.training), a=conv(3, 6), n=nn.BatchNorm2d(6), b=conv(6, 8))
    read(plain, X)
    assert not exports
    for forward in (lambda m, x: m.b(m.a(x)).relu() if m.training else m.b(m.a(x)).sigmoid(), lambda m, x: m.b(m.a(x)) * (2.0 if m.training else 1.0),
                    lambda m, x: [m.b(m.a(x)), m.c(m.a(x))][m.training]):
        read(Net(forward, a=conv(3, 6), b=conv(6, 8), c=conv(6, 8)), X)
    assert len(exports) == 3


def test_sizes_in_code_are_found_out_by_trial():
    model = Net(lambda m, x: m.b(m.a(x).reshape(2, 8, 64).reshape(2, 8, 8, 8)), a=conv(3, 8), b=conv(8, 8))
    assert list(names(model)) == ["b"] and "a size written in code: with fewer channels it stops with" in reasons(model, "a")[0]


def test_a_part_that_only_training_runs():
    def forward(m, x):
        x = m.a(x)
        return m.b(x) + (m.aux(functional.relu(x)).mean() if m.training else 0)
    model = Net(forward, a=conv(3, 8), b=conv(8, 8), aux=conv(8, 4))
    trace = read(model, X)
    assert ("aux.weight", 1) in {(u.tensor, u.dim) for u in trace.groups[0].uses}
    slice_(model, trace.groups, {g.name: half(g) for g in trace.groups})
    model.train()(X).sum().backward()


def test_a_gather_starts_a_group():
    model = Net(lambda m, x: m.a(x) + m.b(m.n(m.pick(m.a(x)))), a=conv(3, 8), pick=ChannelSelect(8), n=nn.BatchNorm2d(8), b=conv(8, 8))
    assert names(model) == {"pick": (8, False)} and "gathered" in reasons(model, "a")[0]
    assert disagreement(model) < 1e-5
    trace = read(model, X)
    slice_(model, trace.groups, {"pick": [1, 4, 6]})
    assert model.pick.index.tolist() == [1, 4, 6] and model.n.num_features == 3 and model.b.in_channels == 3


def test_tied_weights_stay_tied():
    model = Net(lambda m, x: m.c(m.b(m.a(x))), a=conv(3, 8), b=conv(8, 8), c=conv(8, 8))
    model.c.weight = model.b.weight
    trace = read(model, X)
    assert disagreement(model) < 1e-5
    slice_(model, trace.groups, {g.name: half(g) for g in trace.groups})
    assert model.c.weight is model.b.weight
    model(X)


def test_a_bare_parameter_writes_channels():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.kernel = nn.Parameter(torch.randn(6, 3, 3, 3))
            self.square = nn.Parameter(torch.randn(6, 5))

        def forward(self, x):
            return functional.conv2d(x, self.kernel).mean((2, 3)) @ self.square
    model = Bare()
    assert names(model) == {"kernel": (6, True)} and disagreement(model) < 1e-5
    assert read(model, X).positions == (("kernel", 36), ("square", 1))


def test_standardised_weights():
    class Standard(nn.Conv2d):
        def forward(self, x):
            w = self.weight
            w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
            return functional.conv2d(x, w, self.bias, self.stride, self.padding)
    model = Net(lambda m, x: m.b(m.a(x)), a=Standard(3, 8, 3, padding=1), b=conv(8, 8))
    assert names(model)["a"] == (8, True) and disagreement(model) < 1e-5  # its outputs can go, inputs would change the statistics
    behind = Net(lambda m, x: m.b(m.a(x)), a=conv(3, 8), b=Standard(8, 8, 3, padding=1))
    assert "a" not in names(behind) and disagreement(behind) < 1e-5
    assert read(behind, X).positions[1] == ("b.weight", 64)


def test_what_cannot_be_exported_is_refused():
    model = Net(lambda m, x: m.a(x) if float(x.sum()) > 0 else m.a(-x), a=conv(3, 8))
    with pytest.raises(BenchError, match="cannot be exported") as error:
        read(model, X)
    assert error.value.kind == "not_applicable" and error.value.todo


def test_what_cannot_be_counted_is_refused():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.Parameter(torch.randn(4, 8 * 3 * 9))

        def forward(self, x):
            mix = torch.softmax(x.mean((2, 3)).sum() * torch.ones(1, 4), 1)
            return functional.conv2d(x, (mix @ self.experts).view(8, 3, 3, 3)).mean((2, 3))
    with pytest.raises(BenchError, match="cannot be counted"):
        read(Mixed(), X)


def test_groups_come_in_the_order_they_run():
    model = Net(lambda m, x: m.a(m.b(m.c(x))), a=conv(8, 8), b=conv(8, 8), c=conv(3, 8))
    assert list(names(model)) == ["c", "b", "a"]


def test_several_groups_of_one_producer():
    model = Net(lambda m, x: m.b(torch.cat([m.a(x), torch.cumsum(x, 2)], 1)) + functional.pad(m.a(x), (0, 0, 0, 0, 0, 4)),
                a=conv(3, 4), b=conv(7, 8))
    assert disagreement(model) < 1e-5
    assert all(g.name.split("#")[0] in ("a", "b") for g in read(model, X).groups)
    assert math.isfinite(disagreement(model))
