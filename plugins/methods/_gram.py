"""The arithmetic of ThiNet: one Gram matrix of the channels' contributions to a layer's output, and choices made on it alone."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

BLOCK = 288         # columns of patches multiplied at a time: few enough that the half below the diagonal is left out
HELD = 1 << 23      # contributions held at a time


def gram(patches: Tensor, weight: Tensor, at: np.ndarray, groups: int = 1) -> np.ndarray:
    """G[c, d] = sum over positions and output channels of x_c x_d, where x_c = sum over the kernel of W_c * patch_c; float64 (width, width).

    patches: (rows, in, kernel entries).  weight: (out, in / groups, *kernel).  at: (width, entries), a channel's places along the weight's
    second dimension.  All output channels are summed: the exact form of the paper's draw of one at random for each position.

    In memory, beside the arguments: 16 bytes an entry of the patches and kernels that are read, (rows + out) * width * entries, of one group at a
    time; 64 MiB at most of products; and a few matrices (width, width).
    """
    rows, width = len(patches), len(at)
    columns = torch.as_tensor(at.reshape(-1), device=patches.device)
    kernels = weight.flatten(2) if weight.dim() > 2 else weight[..., None]
    total = torch.zeros(width, width, dtype=torch.float64, device=patches.device)
    for read, written in zip(patches.chunk(groups, 1), kernels.chunk(groups, 0), strict=True):
        x = read.index_select(1, columns).reshape(rows, width, -1).double()
        w = written.index_select(1, columns).reshape(len(written), width, -1).double()
        entries = x.shape[2]
        through_outputs = rows * len(w) * width * (entries + width)
        through_patches = (rows + len(w)) * (width * entries) ** 2 // 2
        total += _outer(x, w) if through_outputs <= through_patches else _blocks(x, w)
    return total.cpu().numpy()


def _outer(x: Tensor, w: Tensor) -> Tensor:
    """Sum of X X^T with X (width, positions x outputs) made a few positions at a time."""
    total = x.new_zeros(x.shape[1], x.shape[1])
    w = w.permute(1, 2, 0)
    for part in x.split(max(1, HELD // (x.shape[1] * w.shape[2]))):
        contributions = torch.bmm(part.transpose(0, 1), w).flatten(1)
        total.addmm_(contributions, contributions.T)
    return total


def _blocks(x: Tensor, w: Tensor) -> Tensor:
    """The same from the Gram matrices of patches and of kernels: sum over k, k' of (x^T x) * (w^T w), block of channels by block."""
    width, entries = x.shape[1:]
    step = max(1, BLOCK // entries)
    total = x.new_zeros(width, width)
    xs, ws = ([part.flatten(1) for part in t.split(step, 1)] for t in (x, w))
    for i in range(len(xs)):
        for j in range(i, len(xs)):
            both = (xs[i].T @ xs[j]).mul_(ws[i].T @ ws[j])
            block = both.reshape(-1, entries, both.shape[1] // entries, entries).sum((1, 3))
            a, b = i * step, j * step
            total[a:a + len(block), b:b + block.shape[1]] = block
            total[b:b + block.shape[1], a:a + len(block)] = block.T
    return total


def choose(g: np.ndarray, keep: int) -> list[int]:
    """The channels that stay when the removed set T is grown greedily to minimise sum (sum_{c in T} x_c)^2 (Luo et al. 2017, algorithm 1).

    Adding c to T adds G[c, c] + 2 sum_{d in T} G[c, d]; that sum is updated, so that a step costs O(width).
    """
    cost = g.diagonal().copy()
    for _ in range(len(g) - keep):
        c = int(cost.argmin())
        cost += 2 * g[c]
        cost[c] = np.inf
    return np.flatnonzero(np.isfinite(cost)).tolist()


def scales(g: np.ndarray, kept: Sequence[int]) -> np.ndarray:
    """The factor of each kept channel that best restores the output of all: argmin_w |sum_c x_c - sum_{c kept} w_c x_c|^2 (equation 7).

    Solved for w - 1, by minimal norm: a channel that the samples never see keeps its scale.
    """
    lost = np.setdiff1d(np.arange(len(g)), kept)
    inner = g[np.ix_(kept, kept)]
    power = inner.diagonal()
    size = np.sqrt(np.where(power > 1e-12 * g.diagonal().max(), power, np.inf))  # channels of one size make the solution well determined
    normal, target = inner / np.outer(size, size), g[np.ix_(kept, lost)].sum(1) / size
    change = (np.linalg.solve(normal, target) if _definite(normal) else np.linalg.lstsq(normal, target, rcond=1e-10)[0]) / size
    return 1 + change


def _definite(matrix: np.ndarray) -> bool:
    """Whether a matrix of unit diagonal is so far from singular that elimination will do."""
    try:
        return bool(np.linalg.cholesky(matrix).diagonal().min() > 1e-4)
    except np.linalg.LinAlgError:
        return False
