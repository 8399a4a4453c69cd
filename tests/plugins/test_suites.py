"""Every suite resolves, and the paper's train for as many epochs as the paper's."""
from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from benchbase.flow.cells import Cell, cells_of
from benchbase.plugin.manager import Plugins, load_plugins
from benchbase.values.budget import Budget
from benchbase.values.cost import Cost
from benchbase.values.recipe import Recipe
from benchbase.values.spec import read_suite
from benchbase_plugins.budgets import bench_budgets
from benchbase_plugins.suites import bench_suites

import test_budgets as budgets

SUITES = {path.stem: path for path in bench_suites()}
NAMED = {name: data for path in bench_budgets() for name, data in yaml.safe_load(path.read_text()).items()}
TEN = [f"class{i}" for i in range(10)]


@cache
def plugins() -> Plugins:
    return load_plugins()


@dataclass(frozen=True)
class Unread:
    """Tools that know data sets by name only: nothing is downloaded, no network is made."""

    data_root: Path

    def data(self, dataset: Any) -> Any:
        return SimpleNamespace(fingerprint="0" * 64, count=lambda split: 1000)

    def code(self, architecture: Any) -> str:
        return ""


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in TEN:
        for split in ("train", "test"):
            (folder / "cifar10-jpeg" / split / name).mkdir(parents=True)
    return folder


def cells(name: str, root: Path) -> list[Cell]:
    return cells_of(read_suite(SUITES[name]), plugins(), Unread(root))


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_resolves(name, root):
    made = cells(name, root)
    assert made and len({(c.label, c.work.recipe, c.method, tuple(p.name for p in c.protocols)) for c in made}) == len(made)
    for cell in made:
        target = NAMED.get(cell.budget.name)
        assert target is None or target["model"] == cell.work.model, f"{cell.budget.name} is no budget of {cell.work.model}"


def test_every_one_says_what_it_is_and_is_found_by_name():
    assert set(SUITES) == set(plugins().suites()) and all(offer.doc for offer in plugins().offers("suites"))
    folder = next(iter(SUITES.values())).parent
    assert {p.stem for p in folder.glob("*.yaml")} - set(SUITES) == {p.stem for p in folder.glob("_*.yaml")}


def test_the_digits_suite_has_every_method(root):
    assert {c.method.name for c in cells("digits-all", root)} == {o.name for o in plugins().offers("methods")} \
        == {c.method.name for c in cells("cifar10-all", root)}


@pytest.mark.parametrize("name", SUITES)
def test_whether_the_base_had_converged_is_asked_of_every_network(name, root):
    """Gate 5: unpruned-long comes with every table."""
    made = cells(name, root)
    asked = {(c.work.model, c.work.data.dataset.name, c.work.recipe) for c in made}
    assert asked == {(c.work.model, c.work.data.dataset.name, c.work.recipe) for c in made if any(p.name.startswith("unpruned-long") for p in c.protocols)}


# protocol: epochs of Scratch-B in the paper's tables, by the authors' counter; SSS from their README
EPOCHS = {
    "l1-norm-cifar10": {"vgg16-a": 243, "resnet56-a": 178, "resnet56-b": 220, "resnet110-a": 190, "resnet110-b": 260},
    "l1-norm-imagenet": {"resnet34-a": 106, "resnet34-b": 118},
    "thinet-imagenet": {"vgg-conv": 180, "vgg-gap": 180, "vgg-tiny": 180, "thinet-30": 180, "thinet-50": 180, "thinet-70": 141},
    "regression-imagenet": {"vgg-5x": 180, "resnet50-2x": 134},
    "sss-imagenet": {"resnet41": 117, "resnet32b": 145, "resnet26": 179}}


@pytest.mark.parametrize("name", EPOCHS)
def test_scratch_b_is_as_long_as_in_the_paper(name, root):
    seen = {}
    for cell in cells(name, root):
        for protocol in cell.protocols:
            if protocol.name.startswith("scratch-b"):
                seen[cell.budget.name] = protocol.recipe(cell.work.recipe, cell.work.finetune, *costs(cell)).epochs
    assert seen == EPOCHS[name]


def costs(cell: Cell) -> tuple[Cost, Cost]:
    """Of the dense and of the pruned network, counted layer by layer; blocks that are dropped count as nothing, their epochs are pinned."""
    form = (1000, 224) if cell.work.data.dataset.name == "imagenet" else (10, 32)
    dense = budgets.multiply_adds(cell.work.model, *form, Budget(widths={"none": 1}))
    pruned = 1 if cell.budget.dropped else budgets.multiply_adds(cell.work.model, *form, cell.budget)
    return Cost(0, dense, 0, dense), Cost(0, pruned, 0, pruned)


CIFAR = Recipe(epochs=160, batch_size=64, lr=0.1, momentum=0.9, weight_decay=1e-4, milestones=(0.5, 0.75), gamma=0.1)
IMAGENET = Recipe(epochs=90, batch_size=256, lr=0.1, momentum=0.9, weight_decay=1e-4, milestones=(1 / 3, 2 / 3), gamma=0.1)


@pytest.mark.parametrize(("name", "base", "epochs"), [
    ("l1-norm-cifar10", CIFAR, 40), ("network-slimming-cifar", CIFAR, 40), ("unstructured-cifar", CIFAR, 40),
    ("l1-norm-imagenet", IMAGENET, 20), ("network-slimming-imagenet", IMAGENET, 20), ("unstructured-imagenet", IMAGENET, 20)])
def test_recipes_are_the_papers(name, base, epochs, root):
    made = cells(name, root)
    tuned = {(c.work.finetune.epochs, c.work.finetune.lr, c.work.finetune.milestones) for c in made}
    assert {c.work.recipe for c in made} == {base} and tuned == {(epochs, 0.001, ())}
    assert {c.seed for c in made} == (set(range(5)) if base is CIFAR else {0})


def test_networks_without_norms_have_a_smaller_rate(root):
    rates = {c.work.model: c.work.recipe.lr for name in ("thinet-imagenet", "regression-imagenet") for c in cells(name, root)}
    assert rates == {"torchvision:vgg16": 0.01, "vgg16-gap": 0.01, "torchvision:resnet50": 0.1}


def test_the_penalties_of_slimming(root):
    """protocol: 1e-4 for VGG-19, 1e-5 for PreResNet-164, DenseNet-40 and VGG-11."""
    seen = {c.work.model: c.method.penalty for name in ("network-slimming-cifar", "network-slimming-imagenet") for c in cells(name, root)
            if c.method.name == "network-slimming"}
    assert seen == {"vgg19": 1e-4, "preresnet164": 1e-5, "densenet40": 1e-5, "torchvision:vgg11_bn": 1e-5}
