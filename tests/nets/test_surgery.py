"""Cutting by hand-made groups: values, layers' own numbers, what is refused."""
from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.groups import Group, Use
from benchbase.nets.surgery import cut_copy, mask_, slice_, zero_


def net():
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(16, 2))


def use(tensor, dim, width, entries=1):
    return Use(tensor, dim, np.arange(width * entries).reshape(width, entries))


FIRST = Group("0", 6, (use("0.weight", 0, 6), use("0.bias", 0, 6), use("1.weight", 0, 6), use("1.bias", 0, 6), use("1.running_mean", 0, 6),
                       use("1.running_var", 0, 6), use("2.weight", 1, 6)), True, ("0",))
SECOND = Group("2", 4, (use("2.weight", 0, 4), use("2.bias", 0, 4), use("4.weight", 1, 4, 4)), True, ("2",))


def test_slices_are_the_rows_that_stay():
    model, kept = net(), {"0": [0, 2, 5], "2": [3]}
    before = {k: v.clone() for k, v in model.state_dict().items()}
    slice_(model, [FIRST, SECOND], kept)
    assert torch.equal(model[0].weight, before["0.weight"][[0, 2, 5]]) and torch.equal(model[1].running_var, before["1.running_var"][[0, 2, 5]])
    assert torch.equal(model[2].weight, before["2.weight"][[3]][:, [0, 2, 5]]) and torch.equal(model[4].weight, before["4.weight"][:, 12:])
    assert (model[0].out_channels, model[1].num_features, model[2].in_channels, model[2].out_channels, model[4].in_features) == (3, 3, 3, 1, 4)
    assert model(torch.randn(2, 3, 6, 6)).shape == (2, 2)


def test_a_cut_copy_is_a_copy_cut_and_shares_no_memory():
    model, kept = net(), {"2": [0, 3]}
    model[4].weight.grad = torch.ones_like(model[4].weight)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    small, wanted = cut_copy(model, [SECOND], kept), copy.deepcopy(model)
    slice_(wanted, [SECOND], kept)
    assert small.state_dict().keys() == before.keys()
    assert all(torch.equal(t, small.state_dict()[name]) for name, t in wanted.state_dict().items()) and small[4].in_features == 8
    assert not {t.data_ptr() for t in small.state_dict().values()} & {t.data_ptr() for t in model.state_dict().values()}
    assert all(torch.equal(t, model.state_dict()[name]) for name, t in before.items()) and model[4].weight.grad is not None
    assert all(p.grad is None for p in small.parameters())


def test_a_group_not_named_stays_whole():
    model = net()
    slice_(model, [FIRST, SECOND], {"2": [0, 1]})
    assert model[0].out_channels == 6 and model[2].weight.shape == (2, 6, 3, 3)


def test_zero_reaches_every_parameter_and_no_statistic():
    model = net()
    zero_(model, FIRST, [1, 4])
    for tensor in (model[0].weight[[1, 4]], model[0].bias[[1, 4]], model[1].weight[[1, 4]], model[1].bias[[1, 4]], model[2].weight[:, [1, 4]]):
        assert not tensor.any()
    assert model[1].running_var.all() and model[0].weight[0].any() and model[2].weight[:, 0].any()


def test_frozen_parameters_stay_frozen():
    model = net()
    model[0].weight.requires_grad_(False)
    slice_(model, [FIRST], {"0": [0]})
    assert not model[0].weight.requires_grad and model[0].bias.requires_grad


def test_masks():
    model = net()
    mask = torch.zeros(6, 3, 3, 3, dtype=torch.bool)
    mask[2] = True
    mask_(model, {"0.weight": mask})
    assert model[0].weight[2].all() and int(model[0].weight.count_nonzero()) == 27
    for bad in ({"9.weight": mask}, {"2.weight": mask}):
        with pytest.raises(BenchError, match="does not fit"):
            mask_(model, bad)
