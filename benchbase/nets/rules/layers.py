"""Layers: what reads channels by a weight, and what norms them one by one."""
from __future__ import annotations

import numpy as np

from benchbase.nets.channels import Ids, Layout
from benchbase.nets.interpret import operation
from benchbase.nets.rules.call import Call
from benchbase.nets.rules.zeros import zero


def convolution(call: Call) -> Layout:
    """A convolution reads input channels along weight dimension 1 and writes output channels along 0."""
    x, w, groups = call.args["input"], call.args["weight"], call.args["groups"]
    call.pinned(x, range(2, len(x)), "positions that hold channels are mixed")
    call.tie(call.args["bias"][0], w[0], "bias") if call.args["bias"] is not None else None
    blank = [None] * (len(call.out) - 2)
    if groups == 1:
        call.summed(("input", 1), ("weight", 1), "a convolution of something that is no channel of a layer")
        call.written("weight", w[0])
        return [x[0], w[0], *blank]
    if call.shape("weight")[1] == 1 and groups == call.shape("input")[1]:
        return [x[0], _depthwise(call), *blank]
    return [x[0], _grouped(call), *blank]


def _grouped(call: Call) -> Ids | None:
    """Every group must lose as many channels: the same place in each goes together. Groups written in code are found out by trial."""
    x, w, groups = call.args["input"][1], call.args["weight"], call.args["groups"]
    if x is None or w[0] is None:
        for ids in (x, w[0], w[1]):
            call.pin(ids, "a grouped convolution of something that is no channel of a layer")
        return None
    if w[1] is not None and not zero(call.nodes["weight"], call.parameter) and not zero(call.nodes["input"], call.parameter):
        call.pin(x, "a sum over channels that are not zero where their weights are")
    read, write = x.reshape(groups, -1), w[0].reshape(groups, -1)
    for g in range(groups):
        call.tie(read[g], w[1], "a grouped convolution") if w[1] is not None else call.pin(read[g], "one input a group")
        call.tie(write[0], write[g], "a grouped convolution")
    call.written("weight", w[0])
    written: Ids = w[0]
    return written


def _depthwise(call: Call) -> Ids | None:
    """Every input channel by itself. A kernel that is one and the same for all of them (blurring) is as wide as they are."""
    x: Ids | None = call.args["input"][1]
    w: Ids | None = call.args["weight"][0]
    times = call.shape("weight")[0] // call.shape("input")[1]
    if w is None and x is not None and times == 1 and operation(call.nodes["weight"]) in ("expand", "repeat"):
        return x
    return call.tie(None if x is None else np.repeat(x, times), w, "a depthwise convolution")


def transposed(call: Call) -> Layout:
    """A transposed convolution: its weight is (in, out / groups, ...)."""
    x, w, groups = call.args["input"], call.args["weight"], call.args["groups"]
    call.pinned(x, range(2, len(x)), "positions that hold channels are mixed")
    blank = [None] * (len(call.out) - 2)
    if groups != 1:
        for ids in (x[1], w[0], w[1]):
            call.pin(ids, "a grouped transposed convolution")
        return [x[0], None, *blank]
    call.summed(("input", 1), ("weight", 0), "a convolution of something that is no channel of a layer")
    if call.args["bias"] is not None:
        call.tie(call.args["bias"][0], w[1], "bias")
    call.written("weight", w[1])
    return [x[0], w[1], *blank]


def linear(call: Call) -> Layout:
    """A linear layer reads its input's last dimension along weight dimension 1 and writes along 0."""
    x, w, bias = call.args["input"], call.args["weight"], call.args["bias"]
    call.summed(("input", -1), ("weight", 1), "a linear layer on something that is no channel of a layer")
    if bias is not None:
        call.tie(bias[0], w[0], "bias")
    call.written("weight", w[0])
    return [*x[:-1], w[0]]


def batch_norm(call: Call) -> Layout:
    """Every channel of dimension 1 by itself. In training, statistics run over all other dimensions: no channels may lie there."""
    x = call.args["input"]
    for name in ("weight", "bias", "running_mean", "running_var"):
        if call.args.get(name) is not None:
            call.tie(x[1], call.args[name][0], "a norm")
    return call.pinned(x, set(range(len(x))) - {1}, "statistics over channels")


def mixing_norm(call: Call) -> Layout:
    """Statistics over channels (layer, group and RMS norms): removing one would change the others."""
    x = call.args["input"]
    shape = call.args.get("normalized_shape")
    dims = [1] if shape is None else range(len(x) - len(shape), len(x))
    for name in ("weight", "bias"):
        call.channels.pin_all(call.args.get(name), call.why("a norm over channels"))
    return call.pinned(x, dims, "a norm over channels")


def prelu(call: Call) -> Layout:
    """One slope for all channels, or one for each."""
    x, w = call.args["self"], call.args["weight"]
    if call.shape("weight")[0] > 1:
        call.tie(x[1], w[0], "slopes")
    return list(x)


RULES = {"conv1d": convolution, "conv2d": convolution, "conv3d": convolution, "conv_transpose1d": transposed, "conv_transpose2d": transposed,
         "conv_transpose3d": transposed, "linear": linear, "batch_norm": batch_norm, "instance_norm": batch_norm, "layer_norm": mixing_norm,
         "native_layer_norm": mixing_norm, "group_norm": mixing_norm, "native_group_norm": mixing_norm, "rms_norm": mixing_norm, "prelu": prelu}
