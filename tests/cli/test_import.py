from __future__ import annotations

import json
from pathlib import Path

import pytest
import theirs
import torch

from benchbase import build_model
from benchbase.nets.weights import read_weights

from .conftest import bench, tree

CFG = [16, "M", 24, "M", 32, 48, "M", 40]  # vgg-small has 16, M, 32, M, 48, 48, M, 64


@pytest.fixture
def checkpoint(here) -> Path:
    torch.manual_seed(0)
    net = theirs.lived_in(theirs.Vgg(CFG, hidden=False))
    torch.save({"cfg": CFG, "state_dict": net.state_dict()}, "pruned.pth.tar")
    return Path("pruned.pth.tar")


def test_from_a_checkpoint_to_a_program(checkpoint):
    """Imported, exported, run: the numbers are theirs."""
    said = bench("import", str(checkpoint), "--model", "vgg_small", "--dataset", "cifar10", "--out", "theirs")
    assert said.code == 0 and said.err == "" and "bench export" in said.out, said.err
    shapes = json.loads(Path("theirs/architecture.json").read_text())["shapes"]
    assert shapes["features.4.weight"] == [24, 16, 3, 3]
    assert sorted(p.name for p in Path("theirs").iterdir()) == ["architecture.json", "weights.safetensors"]
    assert bench("export", "theirs", "--format", "torch-export", "--out", "net.pt2").code == 0
    net, x = theirs.Vgg(CFG, hidden=False), torch.randn(2, 3, 32, 32)
    net.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    with torch.no_grad():
        torch.testing.assert_close(torch.export.load("net.pt2").module()(x), net.eval()(x), rtol=1e-4, atol=1e-5)


def test_dense_weights_can_be_pruned(here):
    torch.save(build_model("vgg-digits", 10).state_dict(), "dense.pth")
    made = json.loads(bench("import", "dense.pth", "--model", "vgg-digits", "--classes", "10", "--shape", "1x8x8", "--out", "d", "--json").out)
    assert made["params"] == {"dense": 139_818, "imported": 139_818} and made["architecture"]["shapes"] == {}
    assert torch.equal(read_weights("d/weights.safetensors")["classifier.weight"], torch.load("dense.pth")["classifier.weight"])
    said = bench("prune", "-m", "l1-norm", "--model", "vgg-digits", "--dataset", "digits", "--budget", "0.5", "--weights", "d/weights.safetensors",
                 "--out", "p", "-q", "--device", "cpu")
    assert said.code == 0, said.err


@pytest.mark.parametrize(("args", "what"), [
    ((), "for how many classes"), (("--classes", "10"), "for how many classes"), (("--classes", "10", "--shape", "32"), "no shape of images"),
    (("--dataset", "cifar100"), "its outputs are (10,)"), (("--dataset", "cifra10"), "unknown dataset"),
    (("--dataset", "cifar10", "--model", "vgg-smal"), "unknown model"), (("--dataset", "cifar10", "--model", "resnet20"), "is missing"),
    (("--dataset", "cifar10", "--out", "taken"), "taken exists"), (("--classes", "10", "--shape", "1x8x8"), "'features.0.weight' is")])
def test_bad_input(checkpoint, here, args, what):
    Path("taken").write_text("mine")
    before = tree(here)
    usual = [word for option, value in (("--model", "vgg-small"), ("--out", "d")) if option not in args for word in (option, value)]
    said = bench("import", str(checkpoint), *usual, *args)
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and what in said.lines[0] and tree(here) == before
