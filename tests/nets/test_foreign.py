"""Checkpoints in the layouts of others: the imported network says what theirs says."""
from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import theirs
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from benchbase import Architecture, BenchError, build_model
from benchbase.nets.folder import fill_network, read_network
from benchbase.nets.foreign import fitted, read_state
from benchbase.plugin.manager import load_plugins
from benchbase.plugin.opening import opened

A = [32, 64, "M", 128, 128, "M", 256, 256, 256, "M", 256, 256, 256, "M", 256, 256, 256]
SLIM = [49, 64, "M", 128, 128, "M", 256, 254, 234, 198, "M", 114, 41, 24, 11, "M", 14, 13, 19, 104]


def opener(asked: Architecture) -> nn.Module:
    return opened(load_plugins().model(asked.model), asked.num_classes, asked.shape)


def imported(path: Path, model: str, folder: Path, classes: int = 10, shape: tuple[int, int, int] = (3, 32, 32)) -> tuple[nn.Module, Architecture]:
    """Through the file, the fitting, the folder and back."""
    dense = Architecture(model, classes, shape)
    architecture, state = fitted(read_state(path), opener(dense), dense, str(path))
    folder.mkdir()
    fill_network(architecture, state, folder)
    return read_network(folder, open_model=opener)


def agree(net: nn.Module, their: nn.Module, shape: tuple[int, ...]) -> None:
    x = torch.randn(3, *shape)
    with torch.no_grad():
        ours, wanted = net.eval()(x), their.eval()(x)
    assert (ours - wanted).abs().max() < 1e-5 * wanted.abs().max() and wanted.std() > 0


@pytest.mark.parametrize(("model", "their"), [
    ("vgg16", lambda: theirs.Vgg(A, hidden=True)), ("vgg19", lambda: theirs.Vgg(SLIM, hidden=False)),
    ("resnet56", lambda: theirs.ResNet([10, *[16] * 8, *[24] * 9, *[61] * 9])), ("densenet40", lambda: theirs.DenseNet(12, 0.6)),
    ("preresnet110", lambda: theirs.PreResNet(12, 0.5)), ("densenet40", lambda: theirs.DenseNet(12, 1.0))])
def test_the_authors_checkpoints(model, their, tmp_path):
    torch.manual_seed(0)
    net = theirs.lived_in(their())
    torch.save({"cfg": A, "state_dict": net.state_dict()}, tmp_path / "pruned.pth.tar")
    ours, architecture = imported(tmp_path / "pruned.pth.tar", model, tmp_path / "folder")
    agree(ours, net, (3, 32, 32))
    whole = build_model(model, 10)
    smaller = {n for n, p in ours.state_dict().items() if p.shape != whole.state_dict()[n].shape}
    assert set(architecture.shapes) == smaller and architecture.dense == (not smaller)


def test_an_old_checkpoint_of_a_parallel_training(tmp_path):
    """Written by torch before 1.6, with its optimiser, under `module.`, without the counters that norms have now."""
    net = theirs.lived_in(theirs.ResNet([16] * 3 + [32] * 3 + [64] * 3))
    state = {f"module.{name}": t for name, t in net.state_dict().items() if "num_batches" not in name}
    optimiser = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    told = {"epoch": 160, "state_dict": state, "best_prec1": torch.tensor(93.1), "optimizer": optimiser.state_dict(), "cfg": [16]}
    torch.save(told, tmp_path / "checkpoint.pth.tar", _use_new_zipfile_serialization=False)
    ours, architecture = imported(tmp_path / "checkpoint.pth.tar", "resnet20", tmp_path / "folder")
    agree(ours, net, (3, 32, 32))
    assert architecture.dense


@pytest.mark.parametrize(("name", "make"), [
    ("torchvision:resnet18", lambda: torchvision.models.resnet18(num_classes=7)),
    ("timm:mobilenetv3_small_100", lambda: timm.create_model("mobilenetv3_small_100", num_classes=7))])
@pytest.mark.parametrize("kind", ["pth", "safetensors", "half"])
def test_state_files_of_libraries(name, make, kind, tmp_path):
    torch.manual_seed(0)
    net, file = theirs.lived_in(make()), tmp_path / "weights"
    if kind == "half":
        net = net.half().float()
    {"pth": lambda s: torch.save(s, file), "safetensors": lambda s: save_file(s, file),
     "half": lambda s: torch.save({"model": {n: t.half() if t.is_floating_point() else t for n, t in s.items()}}, file)}[kind](net.state_dict())
    ours, architecture = imported(file, name, tmp_path / "folder", 7, (3, 64, 64))
    agree(ours, net, (3, 64, 64))
    assert architecture.dense and all(p.dtype == torch.float32 for p in ours.parameters())


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("touched"),)


@pytest.mark.parametrize(("write", "what"), [
    (lambda p: torch.save({"state_dict": {"a": torch.zeros(1)}, "more": Evil()}, p), "cannot be read as weights alone"),
    (lambda p: p.write_bytes(pickle.dumps(Evil())), "cannot be read as weights alone"),
    (lambda p: torch.save({"a": torch.zeros(1), "score": np.float64(3)}, p), "cannot be read as weights alone"),
    (lambda p: p.write_bytes(b"PK\x03\x04 not a zip"), "cannot be read as weights alone"),
    (lambda p: p.write_bytes(b""), "not a whole safetensors file"),
    (lambda p: torch.save([torch.zeros(1)], p), "holds no weights by name"), (lambda p: torch.save({"epoch": 3}, p), "holds no weights by name"),
    (lambda p: torch.save(nn.Linear(1, 1), p), "cannot be read as weights alone"),
    (lambda p: torch.save({"w": torch.eye(2).to_sparse()}, p), "no plain tensor"),
    (lambda p: p.mkdir(), "cannot read"), (lambda p: None, "cannot read")])
def test_what_is_no_file_of_weights_runs_nothing(write, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "w")
    with pytest.raises(BenchError, match=what):
        state = read_state(tmp_path / "w")
        fitted(state, build_model("vgg-digits", 10), Architecture("vgg-digits", 10, (1, 8, 8)), "w")
    assert not (tmp_path / "touched").exists()


def test_what_does_not_fit_is_named():
    net = build_model("vgg-digits", 10)
    dense, state = Architecture("vgg-digits", 10, (1, 8, 8)), net.state_dict()

    def refused(changes: dict, what: str) -> None:
        with pytest.raises(BenchError, match=what):
            fitted({k: v for k, v in {**state, **changes}.items() if v is not None}, net, dense, "w.pth")

    refused({"features.0.weight": None}, "'features.0.weight' is missing")
    refused({"features.99.weight": torch.zeros(1)}, "it has no 'features.99.weight'")
    refused({"classifier.weight": torch.zeros(11, 64)}, r"'classifier.weight' is \(11, 64\), the dense one \(10, 64\)")
    refused({"classifier.weight": torch.zeros(10)}, r"'classifier.weight' is \(10,\)")
    refused({"classifier.weight": torch.zeros(10, 0)}, "'classifier.weight'")
    refused({"classifier.bias": torch.full((10,), float("nan"))}, "nan or infinity")
