"""Operations that treat every position of every channel by itself, alone or together with the same place of other tensors."""
from __future__ import annotations

from typing import Any

from torch.fx import Node

from benchbase.nets.channels import Layout
from benchbase.nets.interpret import operation
from benchbase.nets.rules.call import Call

UNARY = """abs alias alpha_dropout atan bernoulli bernoulli_ celu ceil clamp clamp_ clamp_max clamp_min clone contiguous cos detach detach_
 dropout dropout_ elu elu_ erf exp exp_ expm1 feature_alpha_dropout feature_dropout feature_dropout_ floor gelu gelu_ hardshrink hardsigmoid
 hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ leaky_relu leaky_relu_ lift_fresh lift_fresh_copy log log1p log_sigmoid logical_not
 mish mish_ nan_to_num neg positive pow reciprocal relu relu6 relu6_ relu_ round rrelu rrelu_ rsqrt selu selu_ sigmoid sigmoid_ sign silu
 silu_ sin softplus softshrink softsign sqrt square tanh tanh_ tanhshrink threshold threshold_ to type_as _to_copy uniform_ normal_ fill_
 zero_ floor_ sqrt_ rsqrt_ neg_ abs_ exp_ square_ zeros_like ones_like full_like empty_like rand_like randn_like""".split()
JOINT = """add add_ sub sub_ rsub mul mul_ div div_ maximum minimum addcmul addcmul_ addcdiv lerp copy_ where masked_fill masked_fill_ eq ne
 lt le gt ge logical_and logical_or atan2 fmod remainder __and__ __or__""".split()
SUMS = {"add", "add_", "sub", "sub_", "rsub", "addcmul", "addcmul_", "lerp", "where", "maximum", "minimum"}
PRODUCTS = {"mul", "mul_", "div", "div_"}


def pointwise(call: Call) -> Layout:
    """Dimensions are aligned from the last, as in broadcasting; channels at the same place go together."""
    operands = [(name, call.args[name], call.shape(name)) for name, node in call.nodes.items() if _is_tensor(node)]
    out: list[Any] = [None] * len(call.out)
    for d in range(1, len(out) + 1):
        facing = [(layout[-d], shape[-d]) for _, layout, shape in operands if len(shape) >= d]
        whole = [ids for ids, size in facing if size == call.out[-d]]
        for ids in whole[1:]:
            call.tie(whole[0], ids, "meets something that is no channel of a layer")
        out[-d] = None if any(ids is None for ids in whole) else whole[0] if whole else None
    _note_kind(call, [(name, layout, shape) for name, layout, shape in operands if call.nodes[name] not in call.names])
    return out


def fresh(call: Call) -> Layout:
    """A new tensor that only looks at another for its kind: no channels."""
    return [None] * len(call.out)


def _note_kind(call: Call, activations: list[tuple[str, Layout, tuple[int, ...]]]) -> None:
    """Remember sums of two activations, and gates: factors with one value for many positions."""
    name = operation(call.node)
    for d in range(1, len(call.out) + 1):
        facing = [(ids, shape) for _, layout, shape in activations if len(shape) >= d and (ids := layout[-d]) is not None]
        if len(facing) < 2:
            continue
        if name in SUMS:
            call.channels.added.extend(ids for ids, _ in facing)
        elif name in PRODUCTS:
            call.channels.gates.extend(ids for ids, shape in facing if shape != call.out)


def _is_tensor(node: Any) -> bool:
    return isinstance(node, Node) and hasattr(node.meta.get("val"), "shape")


RULES = {**{name: pointwise for name in (*UNARY, *JOINT)}, **{name: fresh for name in ("new_empty", "new_zeros", "new_ones", "new_full")}}
