from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.folder import fill_folder, read_folder, write_folder
from benchbase.nets.prune import Pruned
from benchbase.nets.weights import digest_of
from benchbase.values.architecture import Architecture
from benchbase.values.selection import Selection


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 2, 3), nn.Flatten())


@pytest.fixture
def pruned() -> Pruned:
    small = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3), nn.Flatten()).eval()
    shapes = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "2.weight": (2, 4, 3, 3)} | {f"1.{k}": (4,) for k in ("weight", "bias", "running_mean", "running_var")}
    return Pruned(small, Selection({"0": (0, 1, 4, 5)}), Architecture("net", 2, (1, 5, 5), shapes=shapes, widths={"0": 4}), {"equivalence": 0.0})


def test_what_is_written_is_read(pruned, tmp_path):
    folder = write_folder(pruned, tmp_path / "deep" / "out")
    assert sorted(p.name for p in folder.iterdir()) == ["architecture.json", "report.json", "selection.json", "weights.safetensors"]
    assert json.loads((folder / "selection.json").read_text()) == {"kept": {"0": [0, 1, 4, 5]}, "reads": {}, "dropped": [], "masks": None}
    assert [p.name for p in folder.parent.iterdir()] == ["out"]
    again = read_folder(folder, model=_net)
    assert again.architecture.digest == pruned.architecture.digest and again.selection == pruned.selection and again.report == pruned.report
    x = torch.randn(2, 1, 5, 5)
    assert torch.equal(again.model(x), pruned.model(x))


def test_masks_have_a_file(pruned, tmp_path):
    masks = {"0.weight": torch.ones(6, 1, 3, 3, dtype=torch.bool).tril()}
    masked = Pruned(_net(), Selection(masks=masks), Architecture("net", 2, (1, 5, 5), masks=digest_of(masks)), {})
    folder = write_folder(masked, tmp_path / "out")
    assert json.loads((folder / "selection.json").read_text())["masks"] == "masks.safetensors"
    assert torch.equal(read_folder(folder, model=_net).masks["0.weight"], masks["0.weight"])
    (folder / "masks.safetensors").unlink()
    with pytest.raises(BenchError, match="masks"):
        read_folder(folder, model=_net)


def test_whole_or_absent(pruned, tmp_path, monkeypatch):
    monkeypatch.setattr("benchbase.nets.folder.save_tensors", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BenchError, match="No space"):
        write_folder(pruned, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_places_that_do_not_do(pruned, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place, word in [("full", "not empty"), ("file", "not empty"), ("file/below", "cannot write")]:
        with pytest.raises(BenchError, match=word):
            write_folder(pruned, tmp_path / place)
    assert (tmp_path / "full" / "x").read_text() == (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("name", "content"), [("architecture.json", "{"), ("selection.json", "{}"), ("selection.json", '{"kept": 3, "reads": {}}'),
                                              ("report.json", "[]"), ("weights.safetensors", "short"), ("architecture.json", '{"model": "net"}')])
def test_broken_folders_are_named(pruned, tmp_path, name, content):
    folder = write_folder(pruned, tmp_path / "out")
    (folder / name).write_text(content)
    with pytest.raises(BenchError) as error:
        read_folder(folder, model=_net)
    assert error.value.todo


def test_the_digest_is_that_of_the_weights(pruned, tmp_path):
    assert fill_folder(pruned, tmp_path) == digest_of(pruned.model.state_dict())
