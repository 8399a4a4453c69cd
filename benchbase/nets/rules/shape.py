"""Operations that move, cut, join and reshape: channels keep their identity and change their place."""
from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch.fx import Node

from benchbase.nets import numbers
from benchbase.nets.channels import Ids, Layout
from benchbase.nets.interpret import operation
from benchbase.nets.rules.call import Call


def cat(call: Call) -> Layout:
    """Entries one after another along a dimension; along the others the parts go together."""
    parts = [(node, layout) for node, layout in zip(call.nodes["tensors"], call.args["tensors"], strict=True) if node.meta["val"].numel()]
    rank, dim = len(call.out), call.args["dim"] % len(call.out)
    out: Layout = []
    for d in range(rank):
        if d == dim and any(layout[d] is not None for _, layout in parts):
            why = call.why("entries of no layer")
            out.append(np.concatenate([layout[d] if layout[d] is not None else call.channels.fixed(node.meta["val"].shape[d], why)
                                       for node, layout in parts]))
        else:
            out.append(_together(call, [layout[d] for _, layout in parts]) if d != dim else None)
    return out


def stack(call: Call) -> Layout:
    """A new dimension; along the others the parts go together."""
    parts, dim = call.args["tensors"], call.args["dim"] % len(call.out)
    out = [_together(call, [layout[d] for layout in parts]) for d in range(len(parts[0]))]
    return [*out[:dim], None, *out[dim:]]


def _together(call: Call, parts: list[Ids | None]) -> Ids | None:
    first = parts[0]
    for other in parts[1:]:
        first = call.tie(first, other, "joined along another dimension")
    return first


def split(call: Call) -> Any:
    """Parts of one dimension: equal ones go together where their sizes are taken from the width; sizes written in code pin, unless they are
    numbers of the module."""
    x, name, values = call.args["self"], operation(call.node), call.node.meta["val"]
    dim = call.args["dim"] % len(x)
    if name == "unbind":
        call.pin(x[dim], "taken apart")
        return [[ids for d, ids in enumerate(x) if d != dim] for _ in values]
    parts, at = [], 0
    for value in values:
        layout, size = list(x), value.shape[dim]
        layout[dim] = None if x[dim] is None else x[dim][at:at + size]
        at += size
        parts.append(layout)
    even = name == "chunk" or "sections" in call.args  # their sizes are taken from the width
    if x[dim] is not None and even and len({v.shape[dim] for v in values}) == 1:
        for part in parts[1:]:
            call.tie(parts[0][dim], part[dim], "equal parts")
    elif even or name == "tensor_split":
        call.pin(x[dim], "sizes written in code")
    elif x[dim] is not None:
        _sized(call, x[dim], [part[dim] for part in parts])
    return parts


def _sized(call: Call, ids: Ids, parts: list[Ids]) -> None:
    """Sizes given one by one, or one for all parts but the last, which may be shorter. Parts that no number of the module counts are pinned,
    but for a single one where a number counts them all together."""
    sizes, given = [len(part) for part in parts], call.args.get("split_size", call.args.get("split_sizes"))
    found = numbers.listed(call.module, sizes) if call.module is not None else []
    if isinstance(given, int):
        full = [part for part in parts if len(part) == given]
        if not all([call.counted(part, given) for part in full]) and not (len(set(sizes)) == 1 and call.counted(ids, len(ids))):
            return call.pin(ids, "sizes written in code")
        for part in full[1:]:
            call.tie(full[0], part, "equal parts")
    elif found:
        for i, part in enumerate(parts):
            call.channels.counted(f"{call.path}.{found[0]}.{i}".lstrip("."), part, call.why("counted by one number"))
    else:
        unknown = [part for part in parts if not call.counted(part, len(part))]
        if not (len(unknown) == 1 and call.counted(ids, len(ids))):
            for part in unknown:
                call.pin(part, "sizes written in code")
    return None


def cut(call: Call) -> Layout:
    """A slice. A place written in code holds what lies before it, one counted from the end what lies behind it; the rest can go. Where the
    place is a number of the module, all can."""
    x, size = list(call.args["self"]), call.shape("self")
    dim, step = call.args["dim"] % len(x), call.args.get("step", 1)
    ids = x[dim]
    if ids is None or call.out[dim] == size[dim]:
        return x
    places = (call.args["start"], call.args["end"]) if "end" in call.args else (call.args["start"], call.args["start"] + call.args["length"])
    if step != 1 or not all(p is None or isinstance(p, int) for p in places):
        return call.pinned(x, [dim], "places written in code")
    for place in places:
        if place is not None and 0 != place < size[dim] and not (place > 0 and call.counted(ids[:place], place)):
            call.pin(ids[:place] if place >= 0 else ids[place:], "places written in code")
    first = 0 if places[0] is None else max(places[0] + size[dim] * (places[0] < 0), 0)
    x[dim] = ids[first:first + call.out[dim]]
    return x


def select(call: Call) -> Layout:
    """One entry of a dimension, which goes away."""
    x, dim = call.args["self"], call.args["dim"] % len(call.args["self"])
    call.pin(x[dim], "a place written in code")
    return [ids for d, ids in enumerate(x) if d != dim]


def gather(call: Call) -> Layout:
    """A gather by a buffer of indices starts a new group: it reads a stream that stays whole."""
    x, dim = list(call.args["self"]), call.args["dim"] % len(call.args["self"])
    call.pin(x[dim], "gathered from")
    index = call.args["index"]
    x[dim] = index[0] if call.nodes["index"] in call.names else None
    if x[dim] is not None:
        call.channels.written.append((call.names[call.nodes["index"]].removesuffix(".index"), x[dim]))
        call.channels.picked.append(x[dim])
    return x


def transpose(call: Call) -> Layout:
    x = list(call.args["self"])
    a, b = (call.args.get(f"dim{i}", i) for i in (0, 1)) if operation(call.node) != "mT" else (-2, -1)
    x[a], x[b] = x[b], x[a]
    return x


def permute(call: Call) -> Layout:
    return [call.args["self"][d] for d in call.args["dims"]]


def movedim(call: Call) -> Layout:
    """The exporter has worked out the shape; the order follows from source and destination."""
    x = call.args["self"]
    source, destination = ([d % len(x) for d in ([v] if isinstance(v, int) else v)] for v in (call.args["source"], call.args["destination"]))
    rest = iter(d for d in range(len(x)) if d not in source)
    placed = dict(zip(destination, source, strict=True))
    return [x[placed[d]] if d in placed else x[next(rest)] for d in range(len(x))]


def unsqueeze(call: Call) -> Layout:
    x, dim = list(call.args["self"]), call.args["dim"] % (len(call.args["self"]) + 1)
    return [*x[:dim], None, *x[dim:]]


def squeeze(call: Call) -> Layout:
    x, shape, dims = call.args["self"], call.shape("self"), call.args.get("dim")
    dims = range(len(x)) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {d % len(x) for d in dims if shape[d] == 1}
    return [ids for d, ids in enumerate(x) if d not in gone]


def expand(call: Call) -> Layout:
    """Repetition of a dimension of one entry: no channels come of it."""
    x, shape, out = call.args["self"], call.shape("self"), call.out
    new = len(out) - len(shape)
    return [*[None] * new, *(ids if shape[d] == out[new + d] else None for d, ids in enumerate(x))]


def repeat(call: Call) -> Layout:
    """Whole copies along each dimension."""
    x, shape, out = call.args["self"], call.shape("self"), call.out
    new = len(out) - len(shape)
    return [None] * new + [None if ids is None else np.tile(ids, out[new + d] // shape[d]) for d, ids in enumerate(x)]


def pad(call: Call) -> Layout:
    """Constant entries at the ends of a dimension cannot be removed; other kinds of padding mix what they copy."""
    x, widths = list(call.args["self"]), call.args["pad"]
    for i in range(len(widths) // 2):
        d = len(x) - 1 - i
        low, high = widths[2 * i], widths[2 * i + 1]
        if x[d] is None or not (low or high):
            continue
        if call.args.get("mode", "constant") != "constant" or low < 0 or high < 0:
            x = call.pinned(x, [d], "padding that copies or cuts")
        else:
            x[d] = np.concatenate([call.channels.fixed(low, call.why("padding")), x[d], call.channels.fixed(high, call.why("padding"))])
    return x


def reshape(call: Call) -> Layout:
    """Dimensions are merged and divided in runs of equal size; each run is worked out by itself."""
    before, after, x = list(call.shape("self")), list(call.out), call.args["self"]
    out: Layout = [None] * len(after)
    for old, new in _runs(before, after):
        held = [d for d in old if x[d] is not None]
        if len(held) > 1:
            call.pinned(x, held, "a reshape of two dimensions of channels")
        elif held:
            place, free = old.index(held[0]), next((new.index(d) for d in new if d == _left_open(call)), None)
            for d, ids in _reshaped(call, x[held[0]], place, [before[d] for d in old], [after[d] for d in new], free).items():
                out[new[d]] = ids
    return out


def _left_open(call: Call) -> int | None:
    """The new dimension whose size is left to follow from the others (-1), or None."""
    sizes = next((v for k, v in call.args.items() if k in ("size", "shape", "sizes")), None)
    if not isinstance(sizes, (list, tuple)) or -1 not in sizes:
        return None
    return sizes.index(-1) + (call.args["dim"] % len(call.args["self"]) if operation(call.node) == "unflatten" else 0)


def _runs(before: list[int], after: list[int]) -> list[tuple[list[int], list[int]]]:
    """The shortest runs of old and new dimensions with equal products."""
    runs, i, j = [], 0, 0
    while i < len(before) or j < len(after):
        old, new = list(range(i, min(i + 1, len(before)))), list(range(j, min(j + 1, len(after))))
        while (a := math.prod(before[d] for d in old)) != (b := math.prod(after[d] for d in new)):
            if a < b:
                old.append(old[-1] + 1 if old else i)
            else:
                new.append(new[-1] + 1 if new else j)
        i, j = i + len(old), j + len(new)
        runs.append((old, new))
    return runs


def _reshaped(call: Call, ids: Ids, dim: int, old: list[int], new: list[int], free: int | None) -> dict[int, Ids]:
    """Where the channels of old dimension `dim` lie afterwards: new dimension -> nodes. free: the new dimension of no given size."""
    wide = ids.reshape([-1 if d == dim else 1 for d in range(len(old))])
    table = np.broadcast_to(wide, old).reshape(new)
    varying = [d for d in range(len(new)) if new[d] > 1 and (table != np.take(table, [0], axis=d)).any()]
    if not varying:  # one channel all over
        call.pin(ids, "all its channels are tied to one another")
    if len(varying) > 1:  # one dimension divided: the same place of every part goes together, along the part whose size is not given, or the last
        last = free if free in varying else varying[-1]
        rows = np.moveaxis(table, last, -1).reshape(-1, new[last])
        rows = np.unique(rows, axis=0)
        for row in rows[1:]:
            call.tie(rows[0], row, "parts of one dimension")
        return {last: rows[0]}
    return {d: np.moveaxis(table, d, -1).reshape(-1, new[d])[0] for d in varying}


def getitem(call: Call) -> Any:
    return call.args["self"][call.args["index"]]


def is_getitem(node: Node) -> bool:
    """Whether a node takes one of several results."""
    return getattr(node.target, "__name__", "") == "getitem"


RULES = {"cat": cat, "concat": cat, "concatenate": cat, "stack": stack,
         "split": split, "split_with_sizes": split, "chunk": split, "tensor_split": split, "unbind": split,
         "slice": cut, "narrow": cut, "select": select, "index_select": gather, "transpose": transpose, "t": transpose, "mT": transpose,
         "numpy_T": transpose, "swapaxes": transpose, "permute": permute, "movedim": movedim, "unsqueeze": unsqueeze, "squeeze": squeeze,
         "expand": expand, "expand_as": expand, "broadcast_to": expand, "repeat": repeat, "pad": pad, "constant_pad_nd": pad,
         "view": reshape, "reshape": reshape, "flatten": reshape, "_unsafe_view": reshape, "reshape_as": reshape,
         "unflatten": reshape, "view_as": reshape}
