"""Whether a channel whose weights are all zero is zero in a tensor: what sums over it then loses nothing by its removal."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.fx import Node

from benchbase.nets.interpret import bound, operation

KEEP = """abs alias alpha_dropout atan celu ceil clone contiguous detach detach_ dropout dropout_ elu elu_ erf expm1 feature_dropout
 feature_dropout_ floor gelu gelu_ hardshrink hardswish hardswish_ hardtanh hardtanh_ leaky_relu leaky_relu_ lift_fresh lift_fresh_copy
 log1p mish mish_ neg prelu relu relu6 relu6_ relu_ round rrelu rrelu_ selu selu_ sign silu silu_ sin softshrink softsign sqrt square tanh
 tanh_ tanhshrink to type_as _to_copy zeros_like view reshape flatten _unsafe_view reshape_as unflatten view_as permute transpose t mT
 numpy_T swapaxes movedim unsqueeze squeeze expand expand_as broadcast_to repeat roll flip slice narrow select index_select split
 split_with_sizes chunk tensor_split unbind pixel_shuffle pixel_unshuffle max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
 adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d upsample_nearest1d upsample_nearest2d
 upsample_bilinear2d upsample_bicubic2d upsample_linear1d mean sum glu getitem""".split()
ALL = "add add_ sub sub_ rsub maximum minimum cat concat concatenate stack matmul bmm".split()
FIRST = {"div": 0, "div_": 0, "scaled_dot_product_attention": 2}
LAYERS = "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear batch_norm instance_norm".split()


def zero(node: Any, parameter: Callable[[Node], bool], known: dict[Node, bool] | None = None) -> bool:
    """Whether `node` is zero wherever a channel's parameters, zeroed, are all that it has. False where that is not known.

    parameter: whether a node is a parameter as it is.  known: what was found out about other nodes.
    """
    if not isinstance(node, Node):
        return bool(node == 0)
    known = {} if known is None else known
    if node not in known:
        known[node] = False  # until it is found out
        known[node] = parameter(node) or (node.op == "call_function" and _keeps(node, parameter, lambda a: zero(a, parameter, known)))
    return known[node]


def _keeps(node: Node, parameter: Callable[[Node], bool], zero: Callable[[Any], bool]) -> bool:
    """Whether an operation makes zero of zeros. zero: the same of its arguments."""
    name = operation(node)
    if name in KEEP:
        return zero(node.all_input_nodes[0])
    if name in LAYERS:
        args = bound(node)
        return all(parameter(args[k]) if isinstance(args[k], Node) else k == "bias" and "norm" not in name for k in ("weight", "bias"))
    if name in ALL:
        return all(map(zero, node.args[0] if isinstance(node.args[0], (list, tuple)) else node.args[:2]))
    if name in ("mul", "mul_"):
        return any(map(zero, node.all_input_nodes))
    if name == "pow":
        return isinstance(node.args[1], (int, float)) and node.args[1] > 0 and zero(node.args[0])
    if name in ("pad", "constant_pad_nd"):
        return not bound(node).get("value") and zero(node.args[0])
    return name in FIRST and zero(node.args[FIRST[name]])
