from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchbase import build_model
from benchbase.nets.weights import digest_of, read_weights, write_weights

from .conftest import bench, tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A network pruned by `bench prune`."""
    root = tmp_path_factory.mktemp("pruned")
    torch.manual_seed(0)
    write_weights(root / "w.safetensors", build_model("vgg-digits", 10).state_dict())
    assert bench("prune", "-m", "l1-norm", "--model", "vgg-digits", "--dataset", "digits", "--budget", "0.5",
                 "--weights", str(root / "w.safetensors"), "--out", str(root / "net"), "-q", "--device", "cpu").code == 0
    return root / "net"


def test_a_folder_as_onnx(folder, here):
    said = bench("export", str(folder), "--out", "net.onnx")
    assert said.code == 0 and said.err == "" and "any number of images" in said.out and "differs from the network by" in said.out, said.err
    lines = "\n".join(line[2:] for line in said.out.partition("load it with\n\n")[2].splitlines())
    told = {"images": np.random.default_rng(0).standard_normal((3, 1, 8, 8), dtype=np.float32)}
    exec(lines, told)  # the snippet as printed
    assert told["logits"].shape == (3, 10)


def test_as_json(folder, here):
    made = json.loads(bench("export", str(folder), "--format", "torch-export", "--out", "net.pt2", "--json").out)
    assert made["relative"] < 1e-4 and made["batch"] is None and made["bytes"] == Path("net.pt2").stat().st_size
    told = {"images": torch.zeros(2, 1, 8, 8)}
    exec(made["load"], told)
    assert told["logits"].shape == (2, 10)


def records(ran, protocol: str) -> list[Path]:
    return [p for p in sorted((ran.root / "kept" / "board").rglob("*.json")) if json.loads(p.read_text())["protocol"] == protocol]


@pytest.mark.parametrize("protocol", ["one-shot", "scratch-b"])
def test_a_record_s_network_by_the_lines_in_its_folder(ran, here, protocol):
    record = records(ran, protocol)[1]
    said = bench("export", str(record), "--format", "safetensors", "--out", "net", "--store", str(ran.root / "kept" / "store"))
    assert said.code == 0, said.err
    assert sorted(p.name for p in Path("net").iterdir()) == ["architecture.json", "load.py", "weights.safetensors"]
    net = runpy.run_path("net/load.py")["net"]
    assert digest_of(net.state_dict()) == json.loads(record.read_text())["digests"]["final"] and not net.training


def test_a_masked_network_keeps_its_masks(here, ran):
    said = bench("run", "-m", "magnitude", "--dataset", "synthetic[train=64,test=32]", "--epochs", "1", "--protocol", "one-shot", "--seeds", "0",
                 "--store", "store", "--leaderboard", "board", "-q", "--device", "cpu")
    (record,) = Path("board").rglob("records/**/*.json")
    assert said.code == 0 and bench("export", str(record), "--format", "safetensors", "--out", "net", "--store", "store").code == 0
    net = runpy.run_path("net/load.py")["net"]
    masks = read_weights("net/masks.safetensors")
    assert masks and all(not p[~masks[name]].any() for name, p in net.named_parameters() if name in masks)


def test_weights_that_are_not_in_the_store(ran, here):
    said = bench("export", str(records(ran, "one-shot")[0]), "--out", "x.onnx", "--store", "nowhere")
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and "not in the store" in said.lines[0] and "--store" in said.lines[1]
    assert tree(here) == {}


def test_weights_that_were_changed_since(ran, here):
    shutil.copytree(ran.root / "kept" / "store", "store")
    record = records(ran, "scratch-e")[0]
    for path in Path("store").rglob("weights.safetensors"):
        if digest_of(read_weights(path)) == json.loads(record.read_text())["digests"]["final"]:
            raw = bytearray(path.read_bytes())
            raw[-4] ^= 1
            path.write_bytes(raw)
    said = bench("export", str(record), "--out", "x.onnx", "--store", "store")
    assert (said.code, len(said.lines)) == (2, 2) and "not those that were written" in said.lines[0] and "store verify" in said.lines[1]


@pytest.mark.parametrize(("args", "what"), [
    (("nothing", "--out", "x.onnx"), "there is no nothing"), (("empty", "--out", "x.onnx"), "cannot read empty/architecture.json"),
    (("FOLDER", "--out", "taken"), "taken exists"), (("FOLDER", "--out", "taken/x.onnx"), "cannot write"),
    (("FOLDER", "--format", "safetensors", "--out", "full"), "full exists"), (("own", "--out", "x.onnx"), "cannot be made by name")])
def test_bad_input(folder, here, args, what):
    Path("taken").write_text("mine")
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/x").write_text("mine")
    shutil.copytree(folder, "own")
    shape = json.loads(Path("own/architecture.json").read_text())
    Path("own/architecture.json").write_text(json.dumps({**shape, "model": "MyNet"}))
    before = tree(here)
    said = bench("export", *(str(folder) if a == "FOLDER" else a for a in args))
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and what in said.lines[0] and tree(here) == before
