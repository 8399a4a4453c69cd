"""The lines that are printed do what they say: tried for files by tests/cli/test_export.py, for folders of every kind here."""
from __future__ import annotations

import torch

from benchbase import Budget, build_model
from benchbase.nets.folder import write_folder
from benchbase.nets.prune import prune_network
from benchbase.nets.snippets import load_folder, load_onnx, load_program
from benchbase.nets.weights import digest_of
from benchbase.values.architecture import Architecture
from benchbase_plugins.methods.l1_norm import L1Norm
from benchbase_plugins.methods.magnitude import Magnitude

DENSE = Architecture("vgg-digits", 10, (1, 8, 8))


def pruned(method):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return prune_network(build_model("vgg-digits", 10), method, Budget(ratio=0.5), None, torch.zeros(2, 1, 8, 8), architecture=DENSE)


def test_a_folder_by_its_path_and_in_its_place(tmp_path, monkeypatch):
    for method, name in ((L1Norm(), "thin"), (Magnitude(), "it's")):
        made = pruned(method)
        folder = write_folder(made, tmp_path / name)
        told: dict[str, object] = {}
        exec(load_folder(str(folder), made.architecture), told)
        assert digest_of(told["net"].state_dict()) == digest_of(made.model.state_dict()) and not told["net"].training
        told = {"__file__": str(folder / "load.py")}
        exec(load_folder("", made.architecture), told)
        assert digest_of(told["net"].state_dict()) == digest_of(made.model.state_dict())


def test_one_s_own_network_is_made_by_its_class(tmp_path):
    made = pruned(L1Norm())
    folder = write_folder(made, tmp_path / "own")
    lines = load_folder(str(folder), made.architecture, named=False)
    told = {"Net": lambda: build_model("vgg-digits", 10)}
    exec(lines, told)
    assert "Net: your function or class" in lines and digest_of(told["net"].state_dict()) == digest_of(made.model.state_dict())


def test_names_of_files_are_quoted():
    assert "InferenceSession(\"it's.onnx\")" in load_onnx("it's.onnx", DENSE) and "(n, 1, 8, 8)" in load_onnx("x", DENSE)
    assert "load('a\\nb.pt2')" in load_program("a\nb.pt2", DENSE)
