from __future__ import annotations

import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from benchbase import BenchError
from benchbase.training.loaders import Loaders

X, Y = torch.arange(21.0).reshape(21, 1), torch.arange(21) % 3
SET = TensorDataset(X, Y)


def seen(batches) -> list[int]:
    return [int(v) for x, _ in batches for v in x[:, 0]]


def test_every_image_once_however_they_are_loaded():
    data = Loaders(DataLoader(SET, 4, shuffle=True), [(X[:5], Y[:5]), (X[5:], Y[5:])], 3, "cpu")
    assert (data.count("train"), data.count("test")) == (21, 21)
    batches = list(data.batches("train", 999))
    assert sorted(seen(batches)) == list(range(21)) and [len(y) for _, y in batches] == [4, 4, 4, 4, 5]  # the one left over joins
    assert seen(data._held_out(999)) == list(range(21))
    assert Loaders(DataLoader(SET, 4, drop_last=True), DataLoader(SET, 4), 3, "cpu").count("train") == 20


def test_the_global_generator_gives_the_order_and_opening_takes_nothing_from_it():
    torch.manual_seed(3)
    data = Loaders(DataLoader(SET, 4, shuffle=True), DataLoader(SET, 4), 3, "cpu")
    first = seen(data.batches("train", 4))
    torch.manual_seed(3)
    assert seen(data.batches("train", 4)) == first and seen(data.batches("train", 4)) != first


def test_calibration_takes_the_first():
    data = Loaders(DataLoader(SET, 4), DataLoader(SET, 4), 3, "cpu")
    assert seen(data.calibration(10)) == list(range(10)) and seen(data.calibration(1000)) == list(range(21))
    assert [len(y) for _, y in data.calibration(9)] == [4, 5]


class Endless(IterableDataset):
    def __iter__(self):
        return iter([])


@pytest.mark.parametrize(("train", "what"), [
    (iter([(X, Y)]), "read more than once"), (3, "int, which cannot be read"), ([], "gives no images"), (DataLoader(Endless()), "gives no images"),
    ([X], "gives Tensor where"), ([(X, [1])], "tuple where"), ([(X.long(), Y)], "images of type torch.int64"), ([(X, Y.float())], "float32 labels"),
    ([(X, Y[:3])], "labels of shape"), ([(X, Y + 1)], "labels from 1 to 3, and the network has 3 outputs")])
def test_what_is_no_loader_of_images_and_labels_is_said(train, what):
    with pytest.raises(BenchError, match=what):
        Loaders(train, [(X, Y)], 3, "cpu")
    if train == []:
        with pytest.raises(BenchError, match="the test loader gives no images"):
            Loaders([(X, Y)], [], 3, "cpu")


def test_the_test_images_are_not_for_training():
    with pytest.raises(BenchError, match="test split"):
        list(Loaders([(X, Y)], [(X, Y)], 3, "cpu").batches("test", 4))
