"""Groups: the channels that touch the same dimensions of the same parameters, and so go or stay by one choice."""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbase.nets.channels import Channels, Ids


@dataclass(frozen=True, eq=False)  # arrays have no hash: a use and a group are equal to themselves alone, and may be keys of a dict
class Use:
    """Where a parameter or buffer holds the channels of a group: `at` (channels, entries a channel) along `dim` of `tensor`."""

    tensor: str
    dim: int
    at: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Group:
    """Channels that go together.

    name: the first layer that writes them.  width: how many there are.  inner: written by one layer (gates aside) and never added to
    others, as between the convolutions of a residual block; what a gather picks of a stream that others share is not inner.
    producers: the layers that write them, in the order they run: paths of modules, or of a parameter that belongs to no layer.
    """

    name: str
    width: int
    uses: tuple[Use, ...]
    inner: bool
    producers: tuple[str, ...]


@dataclass(frozen=True)
class Pin:
    """`channels` of a parameter's outputs, along `dim`, that cannot be removed, and why."""

    tensor: str
    dim: int
    channels: int
    why: str


Touched = dict[tuple[str, int], list[int]]


def groups_of(channels: Channels) -> tuple[tuple[Group, ...], tuple[Pin, ...]]:
    """All groups of at least two removable channels, in the order their first layers run; and what pins the other outputs."""
    label = channels.components()
    reasons = _reasons(channels, label)
    writers = _writers(channels, label)
    shared = {int(c) for ids in (*channels.added, *channels.picked) for c in label[ids]}
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    touched = _touched(channels, label, reasons)
    for component, uses in touched.items():
        if component in writers:
            signature = (*((key, len(at)) for key, at in uses.items()), component in shared)
            alike[signature].append(component)
    found = sorted((members for members in alike.values() if len(members) > 1), key=lambda members: (min(writers[members[0]]), members[0]))
    gates = {int(i) for ids in channels.gates for i in ids}
    gated = {k for k, (_, ids) in enumerate(channels.written) if all(int(i) in gates for i in ids)}
    groups, names = [], defaultdict(int)
    for members in found:
        calls = sorted(set(writers[members[0]]))
        layers = list(dict.fromkeys(channels.written[k][0] for k in calls))
        own = {channels.written[k][0] for k in calls if k not in gated} or set(layers[:1])
        names[layers[0]] += 1
        name = layers[0] if names[layers[0]] == 1 else f"{layers[0]}#{names[layers[0]]}"
        uses = tuple(Use(tensor, dim, np.array([touched[c][tensor, dim] for c in members])) for tensor, dim in touched[members[0]])
        groups.append(Group(name, len(members), uses, len(own) == 1 and members[0] not in shared, tuple(layers)))
    return tuple(groups), _pins(channels, label, reasons)


def _reasons(channels: Channels, label: Ids) -> dict[int, str]:
    """Pinned channel -> the first reason."""
    reasons: dict[int, str] = {}
    for ids, why in channels.pins:
        for component in np.unique(label[ids]):
            reasons.setdefault(int(component), why)
    return reasons


def _writers(channels: Channels, label: Ids) -> dict[int, list[int]]:
    """Channel -> which entries of `written` write it."""
    writers: dict[int, list[int]] = defaultdict(list)
    for k, (_, ids) in enumerate(channels.written):
        for component in np.unique(label[ids]):
            writers[int(component)].append(k)
    return writers


def _touched(channels: Channels, label: Ids, reasons: dict[int, str]) -> dict[int, Touched]:
    """Removable channel -> the entries that it has in each dimension of each tensor."""
    touched: dict[int, Touched] = defaultdict(dict)
    for tensor, dim, ids in channels.uses:
        for i, component in enumerate(label[ids].tolist()):
            if component not in reasons:
                touched[component].setdefault((tensor, dim), []).append(i)
    return touched


def _pins(channels: Channels, label: Ids, reasons: dict[int, str]) -> tuple[Pin, ...]:
    """What pins the outputs of layers, layer by layer and reason by reason."""
    where = {(tensor, int(ids[0])): dim for tensor, dim, ids in channels.uses}
    counts: dict[tuple[str, int, str], int] = defaultdict(int)
    for layer, ids in channels.written:
        names = (layer, f"{layer}.weight", f"{layer}.index")
        tensor = next((n for n in names if (n, int(ids[0])) in where), layer)
        seen = {}
        for component in label[ids].tolist():
            if component in reasons:
                seen[reasons[component]] = seen.get(reasons[component], 0) + 1
        for why, count in seen.items():
            counts[tensor, where.get((tensor, int(ids[0])), 0), why] = count
    return tuple(Pin(tensor, dim, count, why) for (tensor, dim, why), count in counts.items())
