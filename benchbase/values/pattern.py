"""Where pruned networks keep what they keep, as a pattern that designs others (Liu et al., ICLR 2019, section 5)."""
from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchbase.errors import BenchError


@dataclass(frozen=True)
class Layer:
    """What can be pruned in one place: `width` channels (or weights), computed at `positions` places of an image's map."""

    name: str
    width: int
    positions: int


Kept = Mapping[str, int]  # layer -> what stays of it; a layer that is not named stays whole


def stages(layers: Iterable[Layer]) -> list[list[Layer]]:
    """The layers by the size of their maps, largest first, each stage in the order of the network."""
    by_size = sorted(layers, key=lambda layer: -layer.positions)  # stable
    return [list(stage) for _, stage in groupby(by_size, key=lambda layer: layer.positions)]


def by_layer(layers: Sequence[Layer], networks: Sequence[Kept]) -> dict[str, float]:
    """Layer -> the part of it that stays, averaged over networks."""
    check(layers, networks)
    return {layer.name: sum(kept.get(layer.name, layer.width) for kept in networks) / (layer.width * len(networks)) for layer in layers}


def by_stage(layers: Sequence[Layer], networks: Sequence[Kept]) -> list[float]:
    """The part of each stage's channels that stays, averaged over its layers and over networks."""
    check(layers, networks)
    return [sum(kept.get(layer.name, layer.width) for kept in networks for layer in stage) / (len(networks) * sum(layer.width for layer in stage))
            for stage in stages(layers)]


def spread(parts: Sequence[float], layers: Sequence[Layer]) -> dict[str, int]:
    """Layer -> what stays of it when each stage keeps its part, rounded, at least one.

    Raises BenchError where the network has another number of stages.
    """
    own = stages(layers)
    if len(own) != len(parts):
        raise BenchError(f"the pattern has {len(parts)} stages, this network has {len(own)}",
                         "take a network whose maps have as many sizes, or the pattern by layer on the same network: --per layer")
    return in_order(layers, {layer.name: part for part, stage in zip(parts, own) for layer in stage})


def in_order(layers: Iterable[Layer], parts: Mapping[str, float]) -> dict[str, int]:
    """Layer -> what stays of it by its own part, in the order of the network. Raises BenchError for a layer that the pattern has not."""
    layers = list(layers)
    if lost := [layer.name for layer in layers if layer.name not in parts]:
        raise BenchError(f"the pattern says nothing of layer {lost[0]}", "take the network that was pruned, or the pattern by stage: --per stage")
    return {layer.name: min(layer.width, max(1, round(layer.width * parts[layer.name]))) for layer in layers}


def at_random(layers: Sequence[Layer], share: float, seed: int) -> dict[str, int]:
    """Layer -> what stays of it when the parts are drawn evenly and scaled to `share` of all channels: a control without any pattern."""
    draw = random.Random(seed)
    weights = [draw.random() for _ in layers]
    whole = sum(layer.width for layer in layers)
    low, high = 0.0, float(whole)
    for _ in range(60):  # the factor at which the parts, none above 1, come to the share
        factor = (low + high) / 2
        kept = sum(min(1.0, factor * weight) * layer.width for weight, layer in zip(weights, layers))
        low, high = (factor, high) if kept < share * whole else (low, factor)
    return in_order(layers, {layer.name: min(1.0, low * weight) for weight, layer in zip(weights, layers)})


def check(layers: Sequence[Layer], networks: Sequence[Kept]) -> None:
    """Raise BenchError where there is no network, or one that is none of these layers."""
    if not networks:
        raise BenchError("there is no pruned network to take a pattern from", "name records or pruned folders")
    known = {layer.name: layer.width for layer in layers}
    for kept in networks:
        if odd := [name for name, count in kept.items() if name not in known or not 0 < count <= known[name]]:
            raise BenchError(f"a network keeps {kept[odd[0]]} of {odd[0]}, which has {known.get(odd[0], 0)}", "all must come from one network")
