from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from benchbase.training.data import load
from benchbase.training.loop import evaluate, train_
from benchbase.training.machine import Machine
from benchbase.training.seeds import Seeds
from benchbase_plugins.datasets.digits import Digits, DigitsIID
from benchbase_plugins.models.vgg import vgg_digits


def test_halves_in_file_order():
    bunch = load_digits()
    (train, train_labels), (test, test_labels) = Digits().load(Path(), "train"), Digits().load(Path(), "test")
    assert len(train) == 899 and len(test) == 898 and train.dtype == torch.uint8 and train_labels.dtype == torch.int64
    assert np.array_equal(torch.cat([train, test]).numpy()[:, 0], bunch.images)
    assert torch.cat([train_labels, test_labels]).tolist() == bunch.target.tolist()
    assert train.max() == 16


def test_the_random_halves_are_the_same_images_mixed():
    train, test = DigitsIID().load(Path(), "train"), DigitsIID().load(Path(), "test")
    bunch = load_digits()
    both = torch.cat([train[0], test[0]]).flatten(1).numpy()
    assert len(train[1]) == 899 and sorted(map(bytes, both)) == sorted(map(bytes, bunch.images.astype("uint8").reshape(1797, -1)))
    again = DigitsIID().load(Path(), "train")
    assert torch.equal(train[0], again[0]) and not torch.equal(train[0], Digits().load(Path(), "train")[0])
    assert (train[1].bincount() > 70).all() and (test[1].bincount() > 70).all()


def test_normalised_by_the_train_split():
    data = load(Digits(), Path())
    assert data.mean == pytest.approx([load_digits().images[:899].mean() / 255]) and data.count("test") == 898
    x, _ = next(data.batches("train", 899))
    assert float(x.mean()) == pytest.approx(0, abs=1e-5) and float(x.std(correction=0)) == pytest.approx(1, abs=1e-4)
    assert load(DigitsIID(), Path()).fingerprint != data.fingerprint


def test_the_recipes_have_the_papers_proportions():
    base, tuned = Digits.recipe, Digits.finetune
    assert tuned.epochs * 4 == base.epochs and tuned.lr == pytest.approx(base.lr / 100) and tuned.milestones == ()
    assert base.milestones == (0.5, 0.75) and base.gamma == 0.1


def test_vgg_digits_converges():
    data, machine = load(Digits(), Path()), Machine()
    machine.prepare()
    torch.manual_seed(0)
    model = vgg_digits(10)
    train_(model, Digits.recipe, data, Seeds(0, data.fingerprint), machine)
    assert evaluate(model, data, machine).top1 > 96
