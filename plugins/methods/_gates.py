"""A factor on each residual branch of a network in training, and the step that drives some of them to exactly zero."""
from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def shrunk(values: Tensor, by: float) -> Tensor:
    """Soft-thresholding: nearer to zero by `by`, and zero where that is farther than they are."""
    return values.sign() * (values.abs() - by).clamp(min=0)


def apg_(factors: Tensor, velocity: Tensor, slope: Tensor, rate: float, penalty: float, momentum: float) -> None:
    """One step of accelerated proximal gradient on loss + penalty * sum |s|, in place, in momentum form (equations 10 to 12):

    z = s - rate * slope;  v' = soft(z, rate * penalty) - s + momentum * v;  s' = soft(z, rate * penalty) + momentum * v',
    and no factor goes below zero, as in the authors' code. All tensors (blocks,).
    """
    inner = shrunk(factors - rate * slope, rate * penalty)
    velocity.copy_(inner - factors + momentum * velocity)
    factors.copy_((inner + momentum * velocity).clamp(min=0))


class Gates:
    """Factors of 1 on the outputs of `layers`, in training. close() takes the hooks away and multiplies the factors into the layers."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        self.layers = list(layers)
        device = next((p.device for layer in self.layers for p in layer.parameters()), None)
        self.factors = torch.ones(len(self.layers), device=device, requires_grad=True)
        self.velocity = torch.zeros(len(self.layers), device=device)
        self._hooks = [layer.register_forward_hook(partial(self._scale, i)) for i, layer in enumerate(self.layers)]

    def _scale(self, i: int, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return output * self.factors[i]

    @torch.no_grad()
    def step_(self, rate: float, penalty: float, momentum: float) -> None:
        """One step on the gradient that has gathered in the factors."""
        if self.factors.grad is not None:
            apg_(self.factors, self.velocity, self.factors.grad, rate, penalty, momentum)
            self.factors.grad = None

    @torch.no_grad()
    def close_(self) -> None:
        """Leave plain layers that compute what the scaled ones did. A factor of zero leaves zeros, not negative ones."""
        for hook in self._hooks:
            hook.remove()
        for factor, layer in zip(self.factors, self.layers, strict=True):
            for parameter in layer.parameters():
                parameter.copy_(parameter * factor if factor else torch.zeros_like(parameter))
