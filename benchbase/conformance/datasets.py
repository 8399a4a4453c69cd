"""Checks of a data set: tensors as promised, the same every time, two splits that differ, random variations from the generator that is given."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbase.conformance import fields
from benchbase.conformance.finding import Unchecked
from benchbase.errors import BenchError
from benchbase.nets import seeded
from benchbase.plugin.manager import Offer
from benchbase.training.data import Data, load
from benchbase.training.source import open_source
from benchbase.values.recipe import Recipe

Pairs = Iterator[tuple[str, str]]
LOOKED_AT = 2000  # images of each split that are compared with those of the other


@dataclass(frozen=True)
class Subject:
    """A data set with what its checks share. root: the folder of downloaded data."""

    offer: Offer
    root: Path

    @cached_property
    def dataset(self) -> Any:
        """With its defaults."""
        try:
            return self.offer.value()
        except BenchError as error:
            raise Unchecked(error.what) from None

    @cached_property
    def outcome(self) -> Data | Exception:
        """Opened, or why not."""
        try:
            return self.opened(0)
        except (BenchError, Unchecked) as error:
            return error

    @property
    def data(self) -> Data:
        """Opened. Raises Unchecked where it cannot be: `tensors` says why."""
        if isinstance(self.outcome, Exception):
            raise self.outcome if isinstance(self.outcome, Unchecked) else Unchecked("it cannot be opened")
        return self.outcome

    def opened(self, seed: int) -> Data:
        """Opened anew, with global generators in another state."""
        with seeded.seeded(seed):
            try:
                return load(self.dataset, self.root)
            except BenchError as error:
                if re.match(rf"data set {re.escape(self.dataset.name)}[:,]", error.what):
                    raise
                raise Unchecked(error.what) from None

    @cached_property
    def first(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The first images and labels of each split."""
        assert self.data
        source = open_source(self.dataset, self.root, "cpu")
        return {split: next(iter(source.read(split, LOOKED_AT, None))) for split in ("train", "test")}


def tensors(subject: Subject) -> Pairs:
    """uint8 or float images of the shape it says, int64 labels below num_classes, nothing missing: the core's own look when it opens one."""
    if isinstance(subject.outcome, BenchError):
        yield subject.outcome.what, subject.outcome.todo
    elif isinstance(subject.outcome, Unchecked):
        raise subject.outcome


def classes(subject: Subject) -> Pairs:
    """Every class has images to train on."""
    labels = torch.cat([y for _, y in subject.data.batches("train", LOOKED_AT)])
    counts = labels.bincount(minlength=subject.data.num_classes).tolist()
    if missing := [c for c, count in enumerate(counts) if not count]:
        yield f"class {missing[0]} of {len(counts)} has no training image", "let num_classes be the number of classes, labels 0 to num_classes - 1"


def repeatable(subject: Subject) -> Pairs:
    """Opened twice, whatever the global generators hold, it has the same fingerprint."""
    first = subject.data
    if subject.opened(1).fingerprint != first.fingerprint:
        yield "opened twice it has other images, labels or variations", "draw from a generator with a fixed seed: torch.Generator().manual_seed(0)"


def apart(subject: Subject) -> Pairs:
    """Test images are not training images."""
    (train, _), (test, _) = subject.first["train"], subject.first["test"]
    known = {image.numpy().tobytes() for image in train}
    both = sum(image.numpy().tobytes() in known for image in test)
    if both > len(test) // 10:
        yield f"{both} of {len(test)} test images are training images", "let load give other images for split 'test'"


def varied(subject: Subject) -> Pairs:
    """augment draws from the generator it is given and from nothing else: the same seed, the same variation."""
    images = subject.first["train"][0][:16]
    with seeded.seeded(0):
        before = seeded.global_state()
        one = subject.dataset.augment(images.clone(), torch.Generator().manual_seed(0))
        moved = seeded.moved(before, seeded.global_state())
    two = subject.dataset.augment(images.clone(), torch.Generator().manual_seed(0))
    if moved or not torch.equal(one, two):
        yield f"augment draws from {moved}'s global generator" if moved else "augment varies the same images in two ways at one seed", "draw from `generator` alone"


def recipes(subject: Subject) -> Pairs:
    """recipe and finetune are recipes, of at least one epoch."""
    for name in ("recipe", "finetune"):
        recipe = getattr(subject.offer.value, name)
        if not isinstance(recipe, Recipe) or recipe.epochs < 1:
            yield f"its {name} is {recipe!r}", f"give {name} = benchbase.Recipe(epochs=..., lr=...)"


def parameters(subject: Subject) -> Pairs:
    """As of methods, but that a path is no part of what a data set is: its fingerprint is."""
    return fields.parameters(subject.offer.value, identity=False)


CHECKS: tuple[tuple[str, Any], ...] = (
    ("name", lambda s: fields.named(s.offer)), ("docs", lambda s: fields.documented(s.offer)), ("parameters", parameters), ("recipes", recipes),
    ("tensors", tensors), ("classes", classes), ("repeatable", repeatable), ("splits-apart", apart), ("augment", varied))
