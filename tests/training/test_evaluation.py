from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.training.data import load
from benchbase.training.dataset import Dataset
from benchbase.training.evaluation import evaluate, recompute_bn_


class Coded(Dataset):
    """Each image says its class in its first pixels: one bit a pixel."""

    def __init__(self, test: int, classes: int) -> None:
        self.name, self.num_classes, self.shape, self.test = "coded", classes, (1, 1, 8), test

    mean, std = (0.0,), (1.0,)

    def load(self, root, split):
        labels = torch.randint(0, self.num_classes, (self.test,), generator=torch.Generator().manual_seed(1))
        bits = (labels[:, None] >> torch.arange(8)) & 1
        return bits.view(-1, 1, 1, 8).float(), labels


class Reader(nn.Module):
    """Knows the code; `shift` makes it wrong about all, `odd` about the odd classes only."""

    def __init__(self, classes: int, shift: int = 0, odd: bool = False) -> None:
        super().__init__()
        self.classes, self.shift, self.odd = classes, shift, odd

    def forward(self, x):
        label = (x.flatten(1) * 2 ** torch.arange(8.0)).sum(1).long()
        moved = (label + self.shift * (label % 2 if self.odd else 1)) % self.classes
        return nn.functional.one_hot(moved, self.classes).float() * 4


@pytest.mark.parametrize("images", [1, 255, 256, 257, 898])
def test_a_perfect_classifier_scores_100(machine, images):
    data = load(Coded(images, 10), Path())
    for batch_size in (64, 256, 1000):
        got = evaluate(Reader(10), data, machine, batch_size)
        assert got.top1 == 100 and got.correct.all() and len(got.correct) == images and got.top5 is None
        assert got.loss == pytest.approx(math.log(math.exp(4) + 9) - 4, rel=1e-6)
    assert evaluate(Reader(10, shift=1), data, machine).top1 == 0


def test_counts_are_of_images(machine):
    data = load(Coded(257, 10), Path())
    even = data._dataset.load(None, "test")[1] % 2 == 0
    got = evaluate(Reader(10, shift=1, odd=True), data, machine)
    assert torch.equal(got.correct, even) and got.top1 == 100 * int(even.sum()) / 257


def test_top5_from_100_classes(machine):
    data = load(Coded(300, 100), Path())
    assert evaluate(Reader(100), data, machine).top5 == 100
    near = evaluate(Reader(100, shift=1), data, machine)
    assert near.top1 == 0 and near.top5 is not None and near.top5 < 20


def test_a_stream_scores_as_memory_does(machine, tiny, streamed, small):
    one, two = evaluate(small(), tiny, machine), evaluate(small(), streamed, machine)
    assert torch.equal(one.correct, two.correct) and one.loss == two.loss


def test_evaluation_changes_nothing(machine, tiny, streamed, small, same):
    model, before = small(), small()
    model.train()
    model[1].eval()
    torch.manual_seed(4)
    generator = torch.get_rng_state()
    for data in (tiny, streamed):
        evaluate(model, data, machine)
    assert same(model, before) and model.training and not model[1].training
    assert torch.equal(torch.get_rng_state(), generator) and model[0].weight.is_contiguous()


def test_outputs_that_are_not_finite(machine, tiny, small):
    model = small()
    with torch.no_grad():
        model[-1].bias[0] = torch.nan
    with pytest.raises(BenchError) as caught:
        evaluate(model, tiny, machine)
    assert caught.value.kind == "diverged"


@pytest.mark.parametrize("model", [nn.Flatten(), nn.Identity(), nn.Sequential(nn.Flatten(), nn.Linear(72, 5))])
def test_outputs_of_another_shape(machine, tiny, model):
    with pytest.raises(BenchError, match="logits"):
        evaluate(model, tiny, machine)


def test_recomputed_statistics_are_those_of_the_calibration_images(tiny):
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.9), nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    model.eval()
    with torch.no_grad():
        model[0].running_mean.fill_(9)
        model[3].running_var.fill_(0)
    batches = tiny.calibration(100, seed=0)
    recompute_bn_(model, batches)
    # by hand: batches of 64 and 36 images weigh by their size; the first norm sees the images themselves
    x = torch.cat([x for x, _ in batches]).double()
    torch.testing.assert_close(model[0].running_mean.double(), x.mean((0, 2, 3)), atol=1e-6, rtol=1e-5)
    variances = [b.double().transpose(0, 1).flatten(1).var(1, correction=1) for b, _ in batches]
    torch.testing.assert_close(model[0].running_var.double(), 0.64 * variances[0] + 0.36 * variances[1], atol=1e-6, rtol=1e-5)
    # the second sees the first in train mode (statistics of the batch), and no dropout
    normalised = [(b - b.mean((0, 2, 3), keepdim=True)) / (b.var((0, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt() for b, _ in batches]
    means = [model[2](b).mean((0, 2, 3)) for b in normalised]
    torch.testing.assert_close(model[3].running_mean, 0.64 * means[0] + 0.36 * means[1], atol=1e-5, rtol=1e-4)
    assert not any(m.training for m in model.modules()) and model[0].momentum == model[3].momentum == 0.1


def test_recomputing_twice_gives_the_same_bits(tiny, small, same):
    one, two = small(), small()
    recompute_bn_(one, tiny.calibration(100, seed=0))
    for _ in range(2):
        recompute_bn_(two, tiny.calibration(100, seed=0))
    assert same(one, two) and not same(one, small())


def test_without_norms_nothing_happens(tiny):
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 4))
    before = model[1].weight.detach().clone()
    recompute_bn_(model, tiny.calibration(10, seed=0))
    assert torch.equal(model[1].weight, before)
