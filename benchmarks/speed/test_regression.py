"""Regression's time in units of what it cannot do without, the forward passes, and against designs written out. All in one run."""
from __future__ import annotations

import time

import numpy as np
import torch
from sklearn.linear_model import Lasso

from benchbase.nets.graph import read
from benchbase.nets.net import Net, private_copy
from benchbase.values.budget import Budget
from benchbase_plugins.methods import _lasso
from benchbase_plugins.methods.regression import Regression


def test_choice_and_refit_cost_less_than_the_forward_passes(model, benchmark, seconds, monkeypatch):
    images, trace = torch.randn(256, 3, 32, 32), read(model, torch.randn(2, 3, 32, 32))
    inside, fit = [], _lasso.fit

    def timed(*arguments):
        start = time.perf_counter()
        found = fit(*arguments)
        inside.append(time.perf_counter() - start)
        return found
    monkeypatch.setattr(_lasso, "fit", timed)

    def forward():
        with torch.no_grad():
            for x in images.split(32):
                model(x)

    def select():
        inside.clear()
        net = Net(private_copy(model), trace, torch.Generator().manual_seed(0), trace.groups)
        Regression().select(net, [(x, None) for x in images.split(32)], Budget(ratio=0.5, scope="all"))
    both = 2 * seconds(forward)  # of the pruned network and of the dense one
    select()
    taken = seconds(select)
    benchmark.extra_info |= {"select / forward": taken / both, "choice and refit / forward": sum(inside) / both}
    print(f"both forward {both:.2f} s, select {taken:.2f} s, of it choice and refit {sum(inside):.2f} s: {sum(inside) / both:.2f} of them")
    benchmark.pedantic(select, rounds=1)
    assert sum(inside) < both and taken < 2 * both + 0.2


def test_the_path_on_a_gram_matrix_beats_fits_on_the_design(benchmark, seconds):
    generator = np.random.default_rng(0)
    z = generator.normal(size=(3000, 16)) @ generator.normal(size=(16, 64)) + generator.normal(size=(3000, 64))
    y = z @ generator.uniform(0, 1, size=64)
    g, h = z.T @ z, z.T @ y

    def by_bisection():
        """As the paper does: the penalty is raised and halved until as many coefficients are left as asked."""
        low, high = 0.0, float(np.abs(h).max()) / len(z)
        solver = Lasso(high, fit_intercept=False, warm_start=True)
        for _ in range(12):
            solver.alpha = (low + high) / 2
            low, high = (solver.alpha, high) if np.count_nonzero(solver.fit(z, y).coef_) > 32 else (low, solver.alpha)
    quick, slow = seconds(lambda: _lasso.choose(g, h, 32)), seconds(by_bisection, 1)
    benchmark.extra_info["bisection / path"] = slow / quick
    print(f"path {quick:.3f} s, bisection {slow:.2f} s: {slow / quick:.0f} times")
    benchmark.pedantic(lambda: _lasso.choose(g, h, 32), rounds=3)
    assert slow > 5 * quick


def test_few_samples_are_fitted_without_their_second_moments(benchmark, seconds):
    generator = torch.Generator().manual_seed(0)
    x, y, w = (torch.randn(*shape, generator=generator) for shape in ((400, 4608), (400, 256), (256, 4608)))
    kept = torch.arange(2304)

    def fitted(expected):
        sums = _lasso.Sums(expected, True)
        sums.add(x, y)
        return sums.finish().refit(w, kept, 0.1)[0]
    few, many = seconds(lambda: fitted(400), 2), seconds(lambda: fitted(10**6), 1)
    assert torch.allclose(fitted(400), fitted(10**6), atol=1e-6)
    benchmark.extra_info["moments / samples"] = many / few
    print(f"samples {few:.2f} s, second moments {many:.2f} s: {many / few:.0f} times")
    benchmark.pedantic(lambda: fitted(400), rounds=1)
    assert many > 2 * few
