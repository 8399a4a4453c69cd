"""Groups: the channels that touch the same dimensions of the same parameters, and so go or stay by one choice."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
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
    numbers: as uses, of numbers in the model's code (`path.attribute`) that count the channels.
    """

    name: str
    width: int
    uses: tuple[Use, ...]
    inner: bool
    producers: tuple[str, ...]
    numbers: tuple[Use, ...] = ()


@dataclass(frozen=True)
class Pin:
    """`channels` of a parameter's outputs, along `dim`, that cannot be removed, and why."""

    tensor: str
    dim: int
    channels: int
    why: str


def groups_of(channels: Channels) -> tuple[tuple[Group, ...], tuple[Pin, ...]]:
    """All groups of at least two removable channels, in the order their first layers run; and what pins the other outputs."""
    label = channels.components()
    reason, writer = _first(label, [ids for ids, _ in channels.pins]), _first(label, [ids for _, ids in channels.written])
    shared = _first(label, [*channels.added, *channels.picked]) >= 0
    gates = np.zeros(channels.count, bool)
    for ids in channels.gates:
        gates[ids] = True
    free = (reason < 0) & (writer >= 0)
    found = sorted(_alike(channels, label, free, shared), key=lambda members: (writer[members.channel], members.channel))
    groups, names = [], defaultdict[str, int](int)
    for members in found:
        calls = [(layer, ids) for layer, ids in channels.written if (label[ids] == members.channel).any()]
        layers = list(dict.fromkeys(layer for layer, _ in calls))
        own = {layer for layer, ids in calls if not gates[ids].all()} or set(layers[:1])
        names[layers[0]] += 1
        name = layers[0] if names[layers[0]] == 1 else f"{layers[0]}#{names[layers[0]]}"
        inner = len(own) == 1 and not shared[members.channel]
        groups.append(Group(name, len(members.uses[0].at), members.uses, inner, tuple(layers), members.numbers))
    return tuple(groups), _pins(channels, label, reason)


def _first(label: Ids, arrays: Sequence[Ids]) -> Ids:
    """For each channel the first of `arrays` that has a node of it, or -1."""
    first = np.full(int(label.max(initial=-1)) + 1, -1)
    for k in reversed(range(len(arrays))):
        first[label[arrays[k]]] = k
    return first


@dataclass(frozen=True)
class _Members:
    """Channels that touch the same dimensions in as many entries. channel: the first of them."""

    channel: int
    uses: tuple[Use, ...]
    numbers: tuple[Use, ...]


def _alike(channels: Channels, label: Ids, free: NDArray[np.bool_], shared: NDArray[np.bool_]) -> Iterator[_Members]:
    """The free channels, two or more at a time that are of one kind."""
    if not channels.uses:
        return
    every = [*channels.uses, *((name, 0, ids) for name, ids in channels.numbers.items())]
    sizes = [len(ids) for _, _, ids in every]
    use, place = np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(n) for n in sizes])
    channel = label[np.concatenate([ids for _, _, ids in every])]
    order = np.argsort(channel, kind="stable")
    order = order[free[channel[order]]]
    if not len(order):
        return
    use, place, channel = use[order], place[order], channel[order]
    starts = np.flatnonzero(np.diff(channel, prepend=-1))
    kinds: dict[tuple[bytes, bool], list[int]] = defaultdict(list)
    for start, stop in sorted(zip(starts.tolist(), [*starts[1:].tolist(), len(channel)], strict=True), key=lambda run: order[run[0]]):
        kinds[use[start:stop].tobytes(), bool(shared[channel[start]])].append(start)
    for members in kinds.values():
        if len(members) > 1:
            length = np.searchsorted(channel, channel[members[0]], "right") - members[0]
            touched = use[members[0]:members[0] + length]
            at = place[np.array(members)[:, None] + np.arange(length)]
            found = {u: Use(every[u][0], every[u][1], at[:, touched == u]) for u in dict.fromkeys(touched.tolist())}
            uses = tuple(use for u, use in found.items() if u < len(channels.uses))
            if uses:
                yield _Members(int(channel[members[0]]), uses, tuple(use for u, use in found.items() if u >= len(channels.uses)))


def _pins(channels: Channels, label: Ids, reason: Ids) -> tuple[Pin, ...]:
    """What pins the outputs of layers, layer by layer and reason by reason."""
    where = {(tensor, int(ids[0])): dim for tensor, dim, ids in channels.uses}
    counts: dict[tuple[str, int, str], int] = {}
    for layer, ids in channels.written:
        names = (layer, f"{layer}.weight", f"{layer}.index")
        tensor = next((n for n in names if (n, int(ids[0])) in where), layer)
        seen: dict[str, int] = defaultdict(int)
        for k in reason[label[ids]].tolist():
            if k >= 0:
                seen[channels.pins[k][1]] += 1
        for why, count in seen.items():
            counts[tensor, where.get((tensor, int(ids[0])), 0), why] = count
    return tuple(Pin(tensor, dim, count, why) for (tensor, dim, why), count in counts.items())
