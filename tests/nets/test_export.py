"""Networks as files, run by their own runtime beside torch."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from benchbase import BenchError, build_model, prune
from benchbase.nets import export as module
from benchbase.nets.export import export
from benchbase.nets.seeded import global_state, moved
from benchbase.nets.weights import digest_of


def alive(model: nn.Module) -> nn.Module:
    """Norms with scales, shifts and statistics that let every channel be felt, and outputs of size 1 or more."""
    with torch.no_grad():
        for key, t in model.state_dict().items():
            if t.ndim == 1 and t.is_floating_point():
                t.uniform_(0.5, 1.5) if key.endswith(("weight", "running_var")) else t.normal_(0, 0.2)
            elif t.ndim > 1:
                nn.init.kaiming_normal_(t)
    return model


@pytest.mark.parametrize(("name", "method"), [("vgg16", "l1-norm"), ("resnet56", "l1-norm"), ("densenet40", "network-slimming")])
def test_onnx_of_pruned_networks_agrees_with_torch(name, method, tmp_path):
    torch.manual_seed(0)
    net = prune(alive(build_model(name, 10)), method, 0.4, example=torch.zeros(2, 3, 32, 32)).model
    before = digest_of(net.state_dict())
    written = export(net, torch.zeros(2, 3, 32, 32), tmp_path / "net.onnx")
    assert written.batch is None and written.relative < 1e-4 and [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    assert digest_of(net.state_dict()) == before
    images = torch.randn(7, 3, 32, 32)
    (logits,) = onnxruntime.InferenceSession(written.path).run(None, {"images": images.numpy()})
    with torch.no_grad():
        wanted = net.eval()(images).numpy()
    assert logits.shape == (7, 10) and np.abs(wanted).max() > 0.1 and np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.drop(self.norm(self.conv(x)).mean((2, 3))))


def test_a_program_of_torch_export_runs_without_the_class(tmp_path, python):
    net = Small().train()
    state = global_state()
    written = export(net, torch.zeros(2, 1, 6, 6), tmp_path / "deep" / "net.pt2", "torch-export")
    assert net.training and moved(state, global_state()) == "" and written.batch is None and written.difference < 1e-6
    x = torch.linspace(-1, 1, 3 * 36).reshape(3, 1, 6, 6)
    code = f"import torch; x = torch.linspace(-1, 1, 108).reshape(3, 1, 6, 6); print(torch.export.load({str(written.path)!r}).module()(x).tolist())"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        torch.testing.assert_close(torch.tensor(eval(done.stdout)), net.eval()(x))


class Noisy(Small):
    def forward(self, x):
        out = super().forward(x)
        return out + 0.01 * torch.rand_like(out)


class Fixed(Small):
    def forward(self, x):
        return super().forward(x.reshape(2, 1, 6, 6))


class Branching(Small):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
def test_a_network_that_takes_one_size_of_batch_is_exported_for_that_size(tmp_path, kind):
    assert export(Fixed(), torch.zeros(2, 1, 6, 6), tmp_path / "x.onnx", kind).batch == 2


@pytest.mark.parametrize(("net", "example", "kind", "what"), [
    (Noisy(), torch.zeros(2, 1, 6, 6), "torch-export", "other than the network"),
    (Branching(), torch.zeros(2, 1, 6, 6), "onnx", "exported to a graph"),
    (Small(), torch.zeros(2, 3, 6, 6), "onnx", "does not run on inputs of shape"), (Small(), torch.zeros(1, 1, 6, 6), "onnx", "no batch of two"),
    (Small(), torch.zeros(2, 1, 6, 6), "onyx", "did you mean 'onnx'")])
def test_what_cannot_be_exported_leaves_no_file(tmp_path, net, example, kind, what):
    with pytest.raises(BenchError, match=what):
        export(net, example, tmp_path / "net.onnx", kind)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(BenchError, match="needs onnxscript") as caught:
        export(Small(), torch.zeros(2, 1, 6, 6), tmp_path / "net.onnx")
    assert "benchbase[onnx]" in caught.value.todo and not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(nobody):
    with nobody(), pytest.raises(BenchError, match="cannot write /proc/net.onnx"):
        export(Small(), torch.zeros(2, 1, 6, 6), Path("/proc/net.onnx"), "torch-export")
