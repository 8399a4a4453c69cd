"""Whatever a method returns: it is a whole selection, or an error of the method that says what is wrong."""
from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.groups import Group
from benchbase.nets.verify import verified
from benchbase.values.selection import Selection

GROUPS = tuple(Group(name, 4, (), True, (name,)) for name in ("0", "1"))
JUNK = [None, 3, -1, 2.5, float("nan"), 10**30, "", "0123", "x", b"01", True, [], {}, [0, 0], [-1], [4], [1, 0], [0.0], [True], ["0"], [None], [[0]], {0: 1},
        {0}, object(), range(3, 0, -1), np.array(3), np.zeros((2, 2)), np.array([0.5]), torch.tensor([[0, 1]]), torch.tensor([1, 0]), torch.tensor([float("nan")]),
        torch.ones(4, dtype=torch.bool), lambda: 0, iter("ab"), (i for i in range(0, -3, -1))]


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3))


@pytest.mark.parametrize("junk", JUNK, ids=lambda j: re.sub(r" at 0x\w+", "", f"{type(j).__name__} {j!r}")[:30])
@pytest.mark.parametrize("put", [lambda j: j, lambda j: Selection(kept=j), lambda j: Selection(kept={"0": j}), lambda j: Selection(kept={j: [0]}),
                                 lambda j: Selection(reads=j), lambda j: Selection(reads={"1": j}), lambda j: Selection(reads={j: [0]}),
                                 lambda j: Selection(dropped=j), lambda j: Selection(dropped=(j,)), lambda j: Selection(masks=j),
                                 lambda j: Selection(masks={"0.weight": j}), lambda j: Selection(masks={j: torch.ones(4, 1, 3, 3, dtype=torch.bool)})])
def test_nonsense_is_the_methods_error(put, junk):
    try:
        selection = put(junk)
    except TypeError:  # what cannot be a key
        return
    try:
        whole = verified("mine", selection, net(), GROUPS, None)
    except BenchError as error:
        assert error.kind == "method_error" and error.what.startswith("mine: ") and error.todo and len(error.what) < 500
        return
    assert list(whole.kept) == ["0", "1"] and all(list(k) == sorted({*k}) and k and 0 <= k[0] and k[-1] < 4 for k in whole.kept.values())
    assert all(type(i) is int for k in (*whole.kept.values(), *whole.reads.values()) for i in k)
    assert all(block in dict(net().named_modules()) for block in whole.dropped) and all(m.dtype == torch.bool for m in whole.masks.values())
