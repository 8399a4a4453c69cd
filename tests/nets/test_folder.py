from __future__ import annotations

import json
import os
from dataclasses import replace

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
    shapes = {"0.weight": (4, 1, 3, 3), "0.bias": (4,), "2.weight": (2, 4, 3, 3)}
    shapes |= {f"1.{k}": (4,) for k in ("weight", "bias", "running_mean", "running_var")}
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
                                              *[("selection.json", json.dumps({"kept": {"0": [0, 1]}, "reads": {}, "dropped": [],
                                                                               "masks": None} | said)) for said in ({"kept": {"0": [1, 0]}}, {"kept": {"0": [0, 0]}},
      {"kept": {"0": [-1, 0]}},
                                                             {"kept": {"0": [0.0]}}, {"kept": {"0": [True]}}, {"kept": {"0": "01"}},
                                                             {"kept": {"0": [2**40]}}, {"reads": []}, {"dropped": "ab"}, {"dropped": ["a", "a"]},
                                                             {"masks": "../masks.safetensors"}, {"masks": True})],
                                              ("report.json", '{"a": NaN}'), ("report.json", '{"a": 1e999}'), ("report.json", "[" * 100_000),
                                              ("report.json", '{"a":' * 30 + "1" + "}" * 30), ("report.json", '{"a": ' + "9" * 5000 + "}"),

                                              ("report.json", "[]"), ("weights.safetensors", "short"), ("architecture.json", '{"model": "net"}')])
def test_broken_folders_are_named(pruned, tmp_path, name, content):
    folder = write_folder(pruned, tmp_path / "out")
    (folder / name).write_text(content)
    with pytest.raises(BenchError) as error:
        read_folder(folder, model=_net)
    assert error.value.todo


@pytest.mark.parametrize("name", ["architecture.json", "selection.json", "report.json", "weights.safetensors"])
def test_no_file_is_a_link_out_of_the_folder(pruned, tmp_path, name):
    folder = write_folder(pruned, tmp_path / "out")
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BenchError, match="leaves its folder"):
        read_folder(folder, model=_net)
    (tmp_path / "linked").symlink_to(folder)
    (folder / name).unlink()
    (tmp_path / "elsewhere").rename(folder / name)
    assert read_folder(tmp_path / "linked", model=_net).selection == pruned.selection  # the user named the link


def test_a_pipe_is_not_waited_for(pruned, tmp_path):
    folder = write_folder(pruned, tmp_path / "out")
    for name in ("report.json", "weights.safetensors"):
        (folder / name).rename(tmp_path / name)
        os.mkfifo(folder / name)
        with pytest.raises(BenchError, match="no plain file"):
            read_folder(folder, model=_net)
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)


def test_masks_fit_the_network_and_its_architecture(pruned, tmp_path):
    net, shape = _net(), Architecture("net", 2, (1, 5, 5))
    for i, mask in enumerate([{"0.weight": torch.ones(6, 1, 3, 2, dtype=torch.bool)}, {"9.weight": torch.ones(2, dtype=torch.bool)},
                              {"0.weight": torch.ones(6, 1, 3, 3)}]):
        folder = write_folder(Pruned(net, Selection(masks=mask), replace(shape, masks=digest_of(mask)), {}), tmp_path / str(i))
        with pytest.raises(BenchError, match="does not fit the network"):
            read_folder(folder, model=_net)
    bare = write_folder(Pruned(net, Selection(masks=mask), shape, {}), tmp_path / "bare")
    with pytest.raises(BenchError, match="not the one of its architecture"):
        read_folder(bare, model=_net)


def test_the_digest_is_that_of_the_weights(pruned, tmp_path):
    assert fill_folder(pruned, tmp_path) == digest_of(pruned.model.state_dict())
