"""From a suite to cells: what is wrong is said before anything runs."""
from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchbase.errors import BenchError
from benchbase.flow.cells import cells_of, identified, placed, source_digest, with_siblings
from benchbase.flow.tools import Tools
from benchbase.plugin.manager import load_plugins
from benchbase.training.machine import Machine
from benchbase.values.budget import Budget
from benchbase.values.recipe import Recipe
from benchbase_plugins.datasets.digits import Digits
from benchbase_plugins.methods.thinet import ThiNet
from benchbase_plugins.models.vgg import vgg_digits


@pytest.fixture(scope="module")
def tools(tmp_path_factory) -> Tools:
    return Tools(load_plugins(), Machine(), tmp_path_factory.mktemp("data"))


@pytest.fixture
def cells(tools, tiny):
    return lambda **said: cells_of(tiny(**said), tools.plugins, tools)


def test_parts_are_united_and_what_two_ask_for_stands_once(cells, tiny):
    first, second = tiny(methods=("l1-norm", "random")), tiny(methods=("random", "thinet"), protocols=("finetune", "scratch-b"))
    made = cells(parts=(first, second, tiny(methods=("random",), recipe={"epochs": 3}), first))
    assert [(c.method.name, [p.name for p in c.protocols], c.work.recipe.epochs) for c in made] == [
        ("l1-norm", ["one-shot", "finetune", "scratch-e"], 2), ("random", ["one-shot", "finetune", "scratch-e"], 2), ("random", ["scratch-b"], 2),
        ("thinet", ["finetune", "scratch-b"], 2), ("random", ["one-shot", "finetune", "scratch-e"], 3)]


def test_a_relative_path_of_a_data_set_may_lie_in_the_data_folder(tools, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = tools.plugins.dataset("imagefolder:photos/small[size=8]").value
    assert placed(asked, tmp_path / "data") is asked and placed(Digits(), tmp_path) == Digits()
    (tmp_path / "data" / "photos" / "small").mkdir(parents=True)
    there = placed(asked, tmp_path / "data")
    assert Path(there.path) == tmp_path / "data" / "photos" / "small" and (there.name, there.size) == ("small", 8)
    (tmp_path / "photos" / "small").mkdir(parents=True)
    assert placed(asked, tmp_path / "data") is asked


def test_what_is_wrong_in_any_part_is_said(cells, tiny):
    with pytest.raises(BenchError, match="l2-norm"):
        cells(parts=(tiny(), tiny(methods=("l2-norm",))))


def test_every_combination_once_seeds_fastest(cells):
    made = cells(methods=("l1-norm", "thinet[images=8]"), models=("vgg-digits", "resnet-digits"), budgets=("0.5", "macs=0.4"), seeds=(0, 1, 5))
    assert len(made) == 24 and len({c.label for c in made}) == 24 and [c.seed for c in made[:4]] == [0, 1, 5, 0]
    first = made[0]
    assert (first.method.name, first.budget, first.work.model) == ("l1-norm", Budget(ratio=0.5), "vgg-digits")
    assert first.label == "l1-norm 0.5 vgg-digits synthetic seed 0" and [p.name for p in first.protocols] == ["one-shot", "finetune", "scratch-e"]
    assert first.offer.distribution == "benchbase" and first.work.images == 64
    assert (first.work.dense.model, first.work.dense.num_classes, first.work.dense.shape) == ("vgg-digits", 4, (1, 8, 8))
    assert {c.method.images for c in made if c.method.name == "thinet"} == {8}


def test_recipes_are_the_data_sets_with_what_the_suite_says(cells):
    work = cells()[0].work
    assert work.recipe == Recipe(epochs=2, batch_size=32, lr=0.05) and work.finetune == Recipe(epochs=1, batch_size=32, lr=0.0005, milestones=())
    assert cells(finetune={"batch_size": "16"})[0].work.finetune.batch_size == 16


def test_one_spelling_of_a_model(cells):
    assert cells(models=("vgg_digits",))[0].work == cells()[0].work


@pytest.mark.parametrize(("said", "wrong"), [
    ({"methods": ("thinnet",)}, "thinet"), ({"methods": ("thinet[imagse=3]",)}, "imagse"), ({"methods": ("thinet[images=x]",)}, "images"),
    ({"methods": ("l1-norm", "l1-norm")}, "twice"), ({"methods": ("thinet", "thinet[images=256]")}, "twice"),
    ({"models": ("vgg-digits", "vgg_digits")}, "twice"),
    ({"models": ("vgg-digit",)}, "vgg-digits"), ({"datasets": ("digit",)}, "digits"), ({"datasets": ("synthetic", "synthetic[train=512]")}, "twice"),
    ({"budgets": ("0.5", "0.50")}, "twice"), ({"budgets": ("1.5",)}, "range"), ({"budgets": ({"ratoi": 0.5},)}, "ratoi"),
    ({"budgets": ("nan",)}, "nan"),
    ({"protocols": ("finetun",)}, "finetune"), ({"protocols": ("finetune", "finetune")}, "twice"),
    ({"recipe": {"learning_rate": 1}}, "learning_rate"),
    ({"finetune": {"lr": "fast"}}, "lr"), ({"datasets": ("imagefolder:/no/such/folder",)}, "folder"),
    ({"datasets": ("synthetic[size=0]",)}, "size"), ({"models": ("torchvision:resnet81",)}, "resnet18")])
def test_wrong_names_and_values(cells, said, wrong):
    with pytest.raises(BenchError, match=wrong) as error:
        cells(**said)
    assert error.value.kind == "usage" and error.value.todo and "\n" not in error.value.what


def test_records_hold_no_paths(cells, own):
    with pytest.raises(BenchError, match="folder = '/home/ada/weights' is a path"):
        cells(methods=(own("Pathy"),))
    assert cells(methods=(own("Pathy[folder=plain]"),))[0].method.folder == "plain"
    assert cells(methods=(own("Broken[until=/tmp/x]"),))[0].method.until == "/tmp/x"  # no part of its identity


def test_parameters_must_fit_into_a_key(cells, own):
    with pytest.raises(BenchError, match="things cannot stand in a record"):
        cells(methods=(own("Unkeyed"),))


def test_a_model_that_does_not_fit_is_said_at_once(tools, tiny):
    def picky(num_classes, in_channels=3):
        raise ValueError("three channels or none")
    with pytest.raises(BenchError, match="three channels or none") as error:
        cells_of(tiny(), Handing(tools.plugins, picky), replace(tools, plugins=Handing(tools.plugins, picky)))
    assert error.value.kind == "usage" and "vgg-digits cannot be made for 4 classes and 1 channels" in error.value.what


class Handing:
    """The plugins, with one builder for every model."""

    def __init__(self, plugins, builder):
        self.plugins, self.builder = plugins, builder

    def __getattr__(self, name):
        return getattr(self.plugins, name)

    def model(self, name):
        return self.builder


def test_what_identifies_a_method():
    same = identified(ThiNet(images=256)).identity
    assert identified(ThiNet()).identity == same != identified(ThiNet(images=255)).identity
    assert same[:2] == ("thinet", 1) and ("images", 256) in same[2]


def test_source_that_is_edited_in_place_is_part_of_it():
    assert source_digest(torch.nn.Conv2d) == source_digest(torch.nn.functional.relu) == source_digest(len) == ""
    path = Path(sys.modules[ThiNet.__module__].__file__)
    installed = "site-packages" in path.parts
    files = with_siblings(path)
    assert path.with_name("_gram.py") in files and files[0] == path
    assert source_digest(ThiNet) == ("" if installed else hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())
    assert (source_digest(ThiNet) == source_digest(vgg_digits)) == installed


def test_the_code_of_a_model_is_that_of_its_classes(tools, cells):
    work = cells()[0].work
    assert work.code == tools.code(work.dense) != tools.code(replace(work.dense, model="resnet-digits"))
    assert len(work.code) == 64 or "site-packages" in vgg_digits.__code__.co_filename


def test_an_edit_of_a_sibling_is_seen(tmp_path):
    for name, text in (("mine", "from ._a import x\n"), ("_a", "    from ._b import y\nfrom json import loads\n"), ("_b", "from ._a import x\n"), ("_c", "")):
        (tmp_path / f"{name}.py").write_text(text)
    assert [file.name for file in with_siblings(tmp_path / "mine.py")] == ["mine.py", "_a.py", "_b.py"]


def test_the_family_that_a_suite_declares_is_that_of_its_cells(cells, tiny):
    assert [c.family for c in cells(methods=("l1-norm", "random"), family="point")] == ["point", "point"]
    assert {c.family for c in cells(family="point", parts=(tiny(), tiny(methods=("random",))))} == {"point"}
    assert [c.family for c in cells()] == ["table"]
