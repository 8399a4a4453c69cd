"""Operations between channels and places: windows, shuffles of pixels and channels, picks by an index, running sums along a dimension."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchbase.nets.channels import Ids, Layout
from benchbase.nets.interpret import operation
from benchbase.nets.rules.call import Call

ALONG = """cumsum cumprod cummax cummin logcumsumexp topk sort argsort flip roll fft_fft fft_ifft fft_rfft fft_irfft fft_fft2 fft_ifft2
 fft_rfft2 fft_irfft2 fft_fftn fft_ifftn fft_rfftn fft_irfftn""".split()
LAST = {"fft_fft2": 2, "fft_ifft2": 2, "fft_rfft2": 2, "fft_irfft2": 2}  # how many last dimensions an operation means where it names none


def along(call: Call) -> Any:
    """Entries along the dimensions named depend on one another, or on their order; the other dimensions stay as they are."""
    x, dims = call.args["self"], call.args.get("dim", call.args.get("dims"))
    if dims is None or dims == []:
        dims = range(len(x) - LAST.get(operation(call.node), len(x)), len(x))
    dims = [dims] if isinstance(dims, int) else dims
    layout = call.pinned(x, [d for d in dims if x[d] is not None], "places along it depend on one another")
    values = call.node.meta["val"]
    return [list(layout) for _ in values] if isinstance(values, (list, tuple)) else layout


def pixel_shuffle(call: Call) -> Layout:
    """Channels become places: those of one square go together."""
    *lead, c, _, _ = call.args["self"]
    return [*lead, None if c is None else _bundled(call, c, call.args["upscale_factor"] ** 2, "pixels of one channel"), None, None]


def pixel_unshuffle(call: Call) -> Layout:
    """Places become channels, as many of each."""
    *lead, c, _, _ = call.args["self"]
    return [*lead, None if c is None else np.repeat(c, call.args["downscale_factor"] ** 2), None, None]


def channel_shuffle(call: Call) -> Layout:
    """(groups, n) turned to (n, groups): the same place of every group goes together."""
    x = list(call.args["self"])
    if x[1] is not None:
        table = x[1].reshape(call.args["groups"], -1)
        for row in table[1:]:
            call.tie(table[0], row, "channels shuffled in groups")
        x[1] = table.T.reshape(-1)
    return x


def windows(call: Call) -> Layout:
    """(n, c, positions) to (n, c x kernel entries, windows)."""
    n, c, *_ = call.args["self"]
    return [n, None if c is None else np.repeat(c, math.prod(call.args["kernel_size"])), None]


def folded(call: Call) -> Layout:
    """The way back: windows added up."""
    n, c, _ = call.args["self"]
    entries = math.prod(call.args["kernel_size"])
    return [n, None if c is None else _bundled(call, c, entries, "entries of one window"), *[None] * (len(call.out) - 2)]


def unfold(call: Call) -> Layout:
    """Windows along one dimension, as a new last one."""
    x = call.args["self"]
    return [*call.pinned(x, [call.args["dimension"]], "windows of places"), None]


def index(call: Call) -> Layout:
    """Entries picked by tensors of numbers or flags: what they pick from stays whole."""
    x, picks = call.args["self"], call.args["indices"]
    at = [d for d, node in enumerate(call.nodes["indices"]) if node is not None]
    for layout in picks:
        call.channels.pin_all(layout, call.why("numbers to pick by"))
    rest = call.pinned(x, at, "picked by an index")
    new = len(call.out) - (len(x) - len(at))
    kept = [ids for d, ids in enumerate(rest) if d not in at]
    place = at[0] if at == list(range(at[0], at[-1] + 1)) else 0
    return [*kept[:place], *[None] * new, *kept[place:]]


def embedding(call: Call) -> Layout:
    """Rows of a table picked by number: its columns are channels."""
    rows, columns = call.args["weight"]
    call.pin(rows, "rows picked by number")
    call.written("weight", columns)
    return [*[None] * (len(call.out) - 1), columns]


def _bundled(call: Call, ids: Ids, size: int, text: str) -> Ids:
    """One node for each `size` that follow one another; they go together."""
    table = ids.reshape(-1, size)
    for column in table.T[1:]:
        call.tie(table[:, 0], column, text)
    return table[:, 0]


RULES: dict[str, Any] = {**{name: along for name in ALONG}, "pixel_shuffle": pixel_shuffle, "pixel_unshuffle": pixel_unshuffle,
                         "channel_shuffle": channel_shuffle, "im2col": windows, "col2im": folded, "unfold": unfold, "index": index,
                         "embedding": embedding}
