from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchbase import build
from benchbase.nets.weights import read_weights, write_weights
from benchbase.values.architecture import architecture_of
from benchbase_plugins.models.vgg import vgg_digits

from .conftest import QUICK, bench, tree

HAND = ("prune", "--model", "vgg-digits", "--dataset", "digits", "--budget", "0.5", "--device", "cpu")
STORED = ("prune", "-m", "l1-norm", "--model", "vgg-digits", *QUICK, "--budget", "0.5")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network of 10 classes and one channel, as safetensors."""
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    torch.manual_seed(0)
    write_weights(path, vgg_digits(10, 1).state_dict())
    return path


def test_weights_of_one_s_own(weights, here):
    """The folder holds what the contract names; the kept filters are the largest in L1, bit for bit the dense network's."""
    said = bench(*HAND, "-m", "l1-norm", "--weights", str(weights), "--out", "deep/pruned")
    assert said.code == 0 and len(said.lines) == 1 and "prune   l1-norm 0.5 vgg-digits digits: " in said.err and "written to deep/pruned" in said.out
    folder = Path("deep/pruned")
    assert sorted(p.name for p in folder.iterdir()) == ["architecture.json", "report.json", "selection.json", "weights.safetensors"]
    kept = json.loads((folder / "selection.json").read_text())["kept"]
    dense, small = read_weights(weights), read_weights(folder / "weights.safetensors")
    scores = dense["features.0.weight"].abs().sum((1, 2, 3))
    assert kept["features.0"] == sorted(scores.topk(16).indices.tolist())
    assert torch.equal(small["features.0.weight"], dense["features.0.weight"][kept["features.0"]])
    report = json.loads((folder / "report.json").read_text())
    assert report["params"] == {"dense": 139_818, "pruned": 35_354} and report["equivalence"] < 1e-4
    build(architecture_of(json.loads((folder / "architecture.json").read_text()))).load_state_dict(small)


def test_as_json(weights, here):
    said = bench(*HAND, "-m", "random", "--weights", str(weights), "--out", "p", "--json", "-q")
    made = json.loads(said.out)
    assert said.err == "" and made["folder"] == "p" and made["architecture"] == json.loads(Path("p/architecture.json").read_text())


def test_the_base_that_a_run_has_trained(ran, here):
    """The same choice and the same weights as the run's own prune stage."""
    said = bench(*STORED, "--store", str(ran.root / "store"), "--seed", "1", "--out", "p")
    assert said.code == 0, said.err
    stages = [p.parent for p in (ran.root / "store").rglob("selection.json")]
    mine = {name: Path("p", name).read_bytes() for name in ("selection.json", "architecture.json", "weights.safetensors")}
    assert any(all((stage / name).read_bytes() == content for name, content in mine.items()) for stage in stages)


def test_a_base_that_no_run_has_trained(ran, here):
    said = bench(*STORED, "--store", str(ran.root / "store"), "--seed", "77", "--out", "p")
    assert (said.code, len(said.lines)) == (2, 2) and "seed 77" in said.lines[0] and "--weights" in said.lines[1] and "bench run" in said.lines[1]
    assert tree(here) == {}


def pickled(path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, path)


def truncated(path: Path) -> None:
    write_weights(path, vgg_digits(10, 1).state_dict())
    path.write_bytes(path.read_bytes()[:-1000])


def sliced(path: Path) -> None:
    write_weights(path, vgg_digits(7, 1).state_dict())


def diverged(path: Path) -> None:
    write_weights(path, {k: v * float("nan") if v.is_floating_point() else v for k, v in vgg_digits(10, 1).state_dict().items()})


@pytest.mark.parametrize("make, what", [(pickled, "is a pickle"), (truncated, "is not a whole safetensors file"), (sliced, "are of another model"),
                                        (diverged, "nan or infinity"), (lambda path: None, "cannot read"), (Path.mkdir, "cannot read")])
def test_weights_that_are_none(here, tmp_path, make, what):
    make(tmp_path / "w")
    said = bench(*HAND, "-m", "l1-norm", "--weights", str(tmp_path / "w"), "--out", "p")
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and what in said.lines[0] and tree(here) == {}


@pytest.mark.parametrize("out", ["full", "file", "file/below"])
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_done(weights, here, out):
    Path("full").mkdir()
    Path("full/x").write_text("mine")
    Path("file").write_text("mine")
    before = tree(here)
    said = bench(*HAND, "-m", "l1-norm", "--weights", str(weights), "--out", out)
    assert (said.code, len(said.lines)) == (2, 2) and "--out" in said.lines[1] and tree(here) == before


def test_an_empty_folder_will_do(weights, here):
    Path("p").mkdir()
    assert bench(*HAND, "-m", "l1-norm", "--weights", str(weights), "--out", "p").code == 0


@pytest.mark.parametrize("args, code, what", [
    (("-m", "l1-nrm"), 2, "unknown method"), (("-m", "l1-norm", "--budget", "0.999"), 2, "leaves nothing of features.0"),
    (("-m", "l1-norm", "--budget", "macs=2"), 2, "out of range"), (("-m", "l1-norm", "--dataset", "imagefolder:nowhere"), 2, "no folder 'nowhere'"),
    (("-m", "thinet", "--model", "vgg-digits", "--dataset", "imagefolder:broken[size=8]", "--budget", "0.5"), 2, "another model")])
def test_other_bad_input(weights, here, args, code, what):
    for part in ("train/a", "train/b", "test/a", "test/b"):
        Path("broken", part).mkdir(parents=True)
    before = tree(here)
    said = bench(*HAND, *args, "--weights", str(weights), "--out", "p")
    assert (said.code, said.out, len(said.lines)) == (code, "", 2) and what in said.lines[0] and tree(here) == before


def test_data_that_cannot_be_read_are_no_failure_of_the_method(here, tmp_path):
    """Images are read when the method asks for them; what is wrong with them is a wrong file, not a wrong method."""
    for part in ("train/a", "train/b", "test/a", "test/b"):
        folder = Path("img", part)
        folder.mkdir(parents=True)
        (folder / "x.png").write_bytes(b"no image")
    write_weights(tmp_path / "w", vgg_digits(2, 3).state_dict())
    args = ("--model", "vgg-digits", "--dataset", "imagefolder:img[size=8]", "--budget", "0.5", "--weights", str(tmp_path / "w"), "--device", "cpu")
    said = bench("prune", "-m", "thinet", *args, "--out", "p", "-q")
    assert (said.code, len(said.lines)) == (2, 2) and "cannot read train/a/x.png" in said.lines[0] and not Path("p").exists()
    assert bench("prune", "-m", "l1-norm", *args, "--out", "p", "-q").code == 0


def test_a_method_that_fails_is_a_failure(weights, here):
    Path("mine.py").write_text("from dataclasses import dataclass\nfrom benchbase import Method\n@dataclass(frozen=True)\nclass Bad(Method):\n"
                               "    name = 'bad'\n    def select(self, net, data, budget):\n        raise RuntimeError('no luck')\n")
    said = bench(*HAND, "-m", "./mine.py:Bad", "--weights", str(weights), "--out", "p", "-q")
    assert (said.code, len(said.lines)) == (1, 2) and said.lines[0] == "error: bad: RuntimeError: no luck" and not Path("p").exists()


def test_a_method_that_reads_images(weights, here):
    said = bench(*HAND, "-m", "thinet[images=32]", "--weights", str(weights), "--out", "p")
    assert said.code == 0, said.err
