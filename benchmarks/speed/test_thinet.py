"""ThiNet's time in units of what it cannot do without, the forward passes, and against contributions written out. All in one run."""
from __future__ import annotations

import torch

from benchbase.nets.graph import read
from benchbase.nets.net import Net, private_copy
from benchbase.values.budget import Budget
from benchbase_plugins.methods import _gram
from benchbase_plugins.methods.thinet import ThiNet


def test_the_method_costs_few_forward_passes(model, benchmark, seconds):
    images = torch.randn(256, 3, 32, 32)
    trace = read(model, images[:2])

    def forward():
        with torch.no_grad():
            for x in images.split(32):
                model(x)

    def select():
        net = Net(private_copy(model), trace, torch.Generator().manual_seed(0), trace.groups)
        ThiNet().select(net, [(images, None)], Budget(ratio=0.5, scope="all"))
    once = seconds(forward)
    taken = seconds(select)
    benchmark.extra_info["select / forward"] = taken / once
    print(f"forward {once:.2f} s, select {taken:.2f} s: {taken / once:.2f} forward passes")
    benchmark.pedantic(select, rounds=1)
    assert taken < 2 * once + 0.2


def test_the_gram_matrix_beats_contributions_written_out(benchmark, seconds):
    generator = torch.Generator().manual_seed(0)
    patches, weight = torch.randn(1000, 128, 9, generator=generator), torch.randn(128, 128, 3, 3, generator=generator)
    at, keep = torch.arange(128)[:, None].numpy(), 64

    def fast():
        return _gram.choose(_gram.gram(patches, weight, at), keep)

    def naive():
        rows = torch.einsum("rck,ock->roc", patches, weight.flatten(2)).flatten(0, 1)
        gone: list[int] = []
        total = torch.zeros(len(rows))
        while len(gone) < 128 - keep:
            cost = (total[:, None] + rows).square().sum(0)
            cost[gone] = torch.inf
            gone.append(int(cost.argmin()))
            total += rows[:, gone[-1]]
        return sorted(set(range(128)) - set(gone))
    assert fast() == naive()
    quick, slow = seconds(fast), seconds(naive, 1)
    benchmark.extra_info["naive / gram"] = slow / quick
    print(f"gram {quick:.3f} s, written out {slow:.2f} s: {slow / quick:.0f} times")
    benchmark.pedantic(fast, rounds=1)
    assert slow > 5 * quick


def test_choosing_is_nothing_beside_the_gram_matrix(benchmark, seconds):
    rows = torch.randn(4000, 512, generator=torch.Generator().manual_seed(0)).double()
    g = (rows.T @ rows).numpy()
    benchmark.pedantic(lambda: _gram.scales(g, _gram.choose(g, 256)), rounds=3)
    assert seconds(lambda: _gram.choose(g, 256)) < 0.05
