"""The arithmetic of regression-based pruning: sums over samples, the LASSO's choice of channels, least squares of their kernels."""
from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._gram import gram


@dataclass
class Sums:
    """What must be known of samples x (rows, columns) and targets y (rows, outputs) for a least-squares fit, in double precision.

    They come in batches, `expected` rows in all. While x is no larger than its second moments (columns, columns) it is held as it is;
    otherwise only the sums are.  centred: as if a constant were free in every output.

    In memory, 8 bytes an entry: samples and targets three times over, and what `gram` takes; or second moments, columns * (columns + outputs), three
    times over where half of the columns are refitted, seven times where nearly all are.
    """

    expected: int
    centred: bool
    rows: int = 0
    held: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    xx: Tensor | None = None
    xy: Tensor | None = None
    means: tuple[Tensor, Tensor] | None = None

    def add(self, x: Tensor, y: Tensor) -> None:
        """Take in one batch."""
        x, y = x.double(), y.double()
        self.rows += len(x)
        total = x.sum(0), y.sum(0)
        self.means = total if self.means is None else (self.means[0].add_(total[0]), self.means[1].add_(total[1]))
        if self.expected <= x.shape[1]:
            self.held.append((x, y))
        elif self.xx is None:
            self.xx, self.xy = x.T @ x, x.T @ y
        else:
            self.xx.addmm_(x.T, x)
            self.xy.addmm_(x.T, y)

    def finish(self) -> Sums:
        """Once all batches are in: means for sums, and moments about them where a constant is free."""
        assert self.means is not None
        x, y = self.means = tuple(total / self.rows for total in self.means)
        if self.held:
            a, b = (torch.cat(parts) for parts in zip(*self.held, strict=True))
            self.held = [(a - x, b - y) if self.centred else (a, b)]
        elif self.centred:
            self.xx.addr_(x, x, alpha=-self.rows)
            self.xy.addr_(x, y, alpha=-self.rows)
        return self

    def contributions(self, kernels: Tensor, scale: Tensor, entries: int) -> tuple[np.ndarray, np.ndarray]:
        """G[c, d] = sum of z_c z_d and h[c] = sum of z_c y over rows and outputs, where z_c (rows, outputs) is what channel c, `entries`
        columns, adds through `kernels` (outputs, columns); outputs count by `scale` (outputs,)."""
        w = kernels.double() * scale[:, None]
        if self.held:
            [(x, y)] = self.held
            blocks = [t.reshape(len(t), -1, entries) for t in (x, w)]
            g = gram(*blocks, np.arange(blocks[0].shape[1])[:, None])
            h = ((y * scale) @ w).mul_(x).sum(0)
            return g, h.reshape(-1, entries).sum(1).cpu().numpy()
        both = (w.T @ w).mul_(self.xx)
        width = len(both) // entries
        g = both.reshape(width, entries, width, entries).sum((1, 3))
        h = (w.T * self.xy * scale).sum(1)
        return g.cpu().numpy(), h.reshape(width, entries).sum(1).cpu().numpy()

    def refit(self, kernels: Tensor, columns: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        """Kernels (outputs, columns kept) with which y is restored best, and the constant (outputs,) that is then missing.

        Solved for the change of the kernels, so that what the samples do not determine stays as it is; the squared change counts `ridge`
        times the mean of |x|^2 over rows."""
        old = kernels[:, columns].double()
        if self.held:
            [(x, y)] = self.held
            x = x[:, columns]
            change = _held(x, y - x @ old.T, ridge / self.rows)
        else:
            xx = self.xx[columns][:, columns]
            change = solved(xx, self.xy[columns] - xx @ old.T, ridge / self.rows * xx.diagonal().sum())
        new = old + change.T
        return new, self.means[1] - new @ self.means[0][columns]


def _held(x: Tensor, y: Tensor, ridge: float) -> Tensor:
    """Least squares of y on x from the samples themselves: by whichever of the two normal equations is smaller."""
    power = ridge * x.square().sum()
    return solved(x.T @ x, x.T @ y, power) if len(x) >= x.shape[1] else x.T @ solved(x @ x.T, y, power)


def solved(normal: Tensor, target: Tensor, ridge: Tensor) -> Tensor:
    """argmin of |normal x - target| + ridge |x|^2, `normal` symmetric and positive semidefinite; of minimal norm where it is singular."""
    normal = normal.clone()
    normal.diagonal().add_(ridge)
    size = normal.diagonal().clamp_min(torch.finfo(normal.dtype).tiny).sqrt()  # a unit diagonal: the test below does not depend on units
    factor, failed = torch.linalg.cholesky_ex(normal / size[:, None] / size)
    if not int(failed) and float(factor.diagonal().min()) > 1e-5:
        return torch.cholesky_solve(target / size[:, None], factor) / size[:, None]
    values, vectors = torch.linalg.eigh(normal)
    inverse = torch.where(values > 1e-10 * values[-1], 1 / values, 0)
    return vectors @ (inverse[:, None] * (vectors.T @ target))


def choose(g: np.ndarray, h: np.ndarray, keep: int) -> list[int]:
    """The channels that stay: the support of argmin_b 1/2 |y - sum_c b_c z_c|^2 + lambda |b|_1 at the smallest lambda before one with more
    than `keep` nonzero coefficients.

    Where it falls short, as no lambda brings more in (the others add nothing, or are copies), channels are added by |coefficient|; as all
    theirs are zero, by the power of what they add alone, and of equal ones the earlier.
    """
    size = np.abs(_path(g, h, keep))
    return sorted(np.lexsort((np.arange(len(g)), -g.diagonal(), -size))[:keep].tolist())


def _path(g: np.ndarray, h: np.ndarray, keep: int) -> np.ndarray:
    """The LASSO's coefficients at the last breakpoint of its path, from none on, up to which at most `keep` are nonzero."""
    from sklearn.linear_model import lars_path_gram

    unit = g.diagonal().mean() or 1.0
    steps = keep + keep // 16 + 8  # one a channel that enters or leaves; later ones cost most
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # channels that are copies of others are left out of the path
            alphas, _, path = lars_path_gram(h / unit, g / unit, n_samples=1, max_iter=steps, method="lasso")
        sizes = np.count_nonzero((path[:, :-1] != 0) | (path[:, 1:] != 0), axis=0)
        over = np.flatnonzero(sizes > keep)
        if len(over) or len(alphas) <= steps:
            return path[:, over[0] if len(over) else -1]
        steps += steps // 4


@dataclass(frozen=True)
class Fit:
    """What came of one layer.  kept: channels.  weight: (outputs, kept x entries, *kernel).  shift: (outputs,), to be added."""

    kept: tuple[int, ...]
    weight: Tensor
    shift: Tensor


def fit(step: Any, keep: int, positions: int, ridge: float) -> Fit:
    """Choose `keep` channels at a stop of a dense walk, unless they are chosen, and refit their kernels."""
    at = torch.as_tensor(step.use.at, device=step.weight.device)
    kernels = step.weight.flatten(2) if step.weight.dim() > 2 else step.weight[..., None]
    columns = [w.index_select(1, at.reshape(-1)).flatten(1) for w in kernels.chunk(step.groups)]
    entries = columns[0].shape[1] // len(at)
    sums = collect(step, kernels, at, positions)
    scale = torch.ones(len(kernels), dtype=torch.float64, device=at.device) if step.behind.scale is None else step.behind.scale.double()
    kept = step.kept
    if kept is None:
        parts = [s.contributions(w, a, entries) for s, w, a in zip(sums, columns, scale.chunk(step.groups), strict=True)]
        g, h = (sum(part) for part in zip(*parts, strict=True))
        kept = tuple(choose(g, h, keep))
    stay = (torch.as_tensor(kept, device=at.device)[:, None] * entries + torch.arange(entries, device=at.device)).reshape(-1)
    new, shift = zip(*(s.refit(w, stay, ridge) for s, w in zip(sums, columns, strict=True)), strict=True)
    return Fit(kept, torch.cat(new).reshape(len(kernels), len(kept) * at.shape[1], *step.weight.shape[2:]), torch.cat(shift))


def collect(step: Any, kernels: Tensor, at: Tensor, positions: int) -> list[Sums]:
    """The sums of a layer, one a group of a grouped convolution, from `positions` output positions of each image."""
    drawn = step.draw(positions)
    expected = sum(p.numel() for p in drawn)
    sums = [Sums(expected, step.shifts) for _ in range(step.groups)]
    rest = np.setdiff1d(np.arange(kernels.shape[1]), at.reshape(-1).cpu().numpy())
    rest = torch.as_tensor(rest, device=at.device)
    for x, y in zip(step.rows(drawn), targets(step, drawn), strict=True):
        for own, part, wanted, w in zip(sums, x.chunk(step.groups, 1), y.chunk(step.groups, 1), kernels.chunk(step.groups), strict=True):
            if len(rest):  # channels of other groups give what they give
                wanted = wanted - part.index_select(1, rest).flatten(1) @ w.index_select(1, rest).flatten(1).T
            own.add(part.index_select(1, at.reshape(-1)).flatten(1), wanted)
    return [s.finish() for s in sums]


def targets(step: Any, drawn: Sequence[Tensor]) -> Iterator[Tensor]:
    """What the layer should give, its bias left out, one batch after another: (rows, outputs). The dense network's output, and where it is
    added to a shortcut also what that has lost, Y1 - Y1' + Y2 (section 3.3)."""
    original = step.original.flatten(1).chunk(step.groups)
    lost = step.lost(drawn)
    scale = step.behind.scale
    if scale is not None:  # outputs that the norm behind silences cannot make up for anything
        factor = torch.where(scale.abs() > 1e-3 * scale.abs().max(), 1 / scale, 0)
    for x in step.rows(drawn, dense=True):
        y = torch.cat([part.flatten(1) @ w.T for part, w in zip(x.chunk(step.groups, 1), original, strict=True)], 1)
        if lost is not None:
            y = y + (next(lost) if scale is None else next(lost) * factor)
        yield y
