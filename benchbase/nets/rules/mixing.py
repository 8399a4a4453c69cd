"""Operations that mix positions or channels without a layer's weight."""
from __future__ import annotations

from typing import Any

from torch.fx import Node

from benchbase.nets.channels import Layout
from benchbase.nets.interpret import operation
from benchbase.nets.rules.call import Call
from benchbase.nets.rules.zeros import zero

POOLS = """max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
 adaptive_max_pool1d adaptive_max_pool2d upsample_nearest1d upsample_nearest2d upsample_bilinear2d upsample_bicubic2d upsample_linear1d
 _upsample_nearest_exact2d grid_sampler max_pool2d_with_indices""".split()
REDUCTIONS = "mean sum amax amin std var var_mean max min linalg_vector_norm norm prod logsumexp argmax argmin any all".split()


def pool(call: Call) -> Any:
    """Positions are mixed within each channel."""
    x = _first(call)
    call.pinned(x, range(2, len(x)), "positions that hold channels are mixed")
    layout = [x[0], x[1], *[None] * (len(x) - 2)]
    return [list(layout) for _ in call.node.meta["val"]] if isinstance(call.node.meta["val"], (list, tuple)) else layout


def reduction(call: Call) -> Any:
    """What is summed over can't be removed: the sum would change for others (a mean even where the removed value is zero)."""
    x, dims = _first(call), call.args.get("dim")
    dims = range(len(x)) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    dims = {d % len(x) for d in dims}
    rest = call.pinned(x, dims, "a reduction over channels")
    value = call.node.meta["val"]
    shape = (value[0] if isinstance(value, (list, tuple)) else value).shape
    layout = rest if len(shape) == len(x) else [ids for d, ids in enumerate(rest) if d not in dims]
    return [list(layout) for _ in value] if isinstance(value, (list, tuple)) else layout


def softmax(call: Call) -> Layout:
    """Along its dimension every entry depends on all others."""
    return call.pinned(_first(call), [call.args["dim"]], "a softmax over channels")


def matmul(call: Call) -> Layout:
    """(..., n, k) x (..., k, m); where one side is a parameter it is a layer like any other."""
    names = ("mat1", "mat2") if "mat1" in call.args else ("self", "mat2") if "mat2" in call.args else ("self", "other")
    a, b = call.args[names[0]], call.args[names[1]]
    if len(a) < 2 or len(b) < 2:
        raise NotImplementedError("a product with a vector")
    call.summed((names[0], -1), (names[1], -2), "a product of two activations")
    if call.nodes[names[1]] in call.names:
        call.written(names[1], b[-1])
    if "mat1" in call.args:  # addmm: self + mat1 @ mat2
        call.tie(call.args["self"][-1], b[-1], "bias")
    lead: Layout = []
    for d in range(3, max(len(a), len(b)) + 1):
        lead.insert(0, call.tie(a[-d] if len(a) >= d else None, b[-d] if len(b) >= d else None, "a batch of products"))
    return [*lead, a[-2], b[-1]]


def einsum(call: Call) -> Layout:
    """Every letter is a dimension: the same letter goes together; one that is summed over in a single operand cannot lose entries."""
    terms, _, result = call.args["equation"].replace(" ", "").partition("->")
    if "." in terms or not result:
        raise NotImplementedError("an implicit or elliptic einsum")
    held: dict[str, Any] = {}
    for letter in dict.fromkeys(terms.replace(",", "")):
        at = [(i, term.index(letter)) for i, term in enumerate(terms.split(",")) if letter in term]
        layouts = [call.args["tensors"][i][d] for i, d in at]
        held[letter] = layouts[0]
        for other in layouts[1:]:
            held[letter] = call.tie(held[letter], other, "a product of two activations")
        if letter not in result and (len(at) == 1 or not any(zero(call.nodes["tensors"][i], call.parameter) for i, _ in at)):
            call.pin(held[letter], "a sum over channels that are not zero where their weights are")
    for i, (term, node) in enumerate(zip(terms.split(","), call.nodes["tensors"], strict=True)):
        if node in call.names:
            for letter in set(term) & set(result):
                if call.args["tensors"][i][term.index(letter)] is not None:
                    call.channels.written.append((call.names[node].removesuffix(".weight"), call.args["tensors"][i][term.index(letter)]))
    return [held[letter] for letter in result]


def attention(call: Call) -> Layout:
    """softmax(q k' / sqrt(width)) v: the width of q and k is in the scale, heads and the width of v are free."""
    q, k, v = call.args["query"], call.args["key"], call.args["value"]
    call.pin(q[-1], "the width of attention is in its scale")
    call.pin(k[-1], "the width of attention is in its scale")
    call.channels.pin_all([ids for x in (q, k, v) for ids in (x[0], x[-2])], call.why("positions that hold channels are mixed"))
    call.channels.pin_all(call.args.get("attn_mask"), call.why("an attention mask"))
    heads = call.tie(call.tie(q[1], k[1], "heads"), v[1], "heads") if len(q) == 4 else None
    return [None, heads, None, v[-1]] if len(q) == 4 else [*[None] * (len(q) - 1), v[-1]]


def glu(call: Call) -> Layout:
    """Two halves of a dimension, one gating the other: they go together."""
    x = list(call.args["self"])
    d = call.args["dim"] % len(x)
    if x[d] is not None:
        half = len(x[d]) // 2
        x[d] = call.tie(x[d][:half], x[d][half:], "halves")
    return x


def _first(call: Call) -> Layout:
    """The layout of the first tensor argument."""
    return next(call.args[name] for name, node in call.nodes.items() if isinstance(node, Node))


def multiplies(call_name: str) -> bool:
    """Whether an operation is a product that a weight can take part in."""
    return call_name in ("matmul", "mm", "bmm", "addmm", "linear", "einsum") or call_name.startswith(("conv1d", "conv2d", "conv3d", "conv_transpose"))


RULES = {**{name: pool for name in POOLS}, **{name: reduction for name in REDUCTIONS},
         "softmax": softmax, "_softmax": softmax, "log_softmax": softmax,
         "matmul": matmul, "mm": matmul, "bmm": matmul, "addmm": matmul, "scaled_dot_product_attention": attention, "glu": glu,
         "einsum": einsum}
__all__ = ["RULES", "multiplies", "operation"]
