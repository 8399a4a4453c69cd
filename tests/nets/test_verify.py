"""What a method has left behind on a network."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbase.nets.verify import before, left


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_weight_that_is_not_finite_is_found(value):
    model = nn.Linear(3, 2)
    was = before(model)
    with torch.no_grad():
        model.weight[1, 2] = value
    assert [rule for rule, *_ in left(was, model, "")] == ["finite"]


def test_infinities_that_cancel_are_found_and_finite_weights_whose_sum_overflows_are_not():
    model = nn.Linear(3, 2)
    was = before(model)
    with torch.no_grad():
        model.weight.fill_(3e38)
    assert list(left(was, model, "")) == []
    with torch.no_grad():
        model.weight[0, 0], model.weight[0, 1] = float("inf"), -float("inf")
    assert [rule for rule, *_ in left(was, model, "")] == ["finite"]
