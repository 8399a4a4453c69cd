from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.weights import check_weights, digest_of, load_weights_, read_weights, write_weights


def test_what_is_written_is_read(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    write_weights(tmp_path / "w.safetensors", model.state_dict())
    state = read_weights(tmp_path / "w.safetensors")
    assert {k: v.tolist() for k, v in state.items()} == {k: v.tolist() for k, v in model.state_dict().items()}
    check_weights(state, model)
    assert digest_of(state) == digest_of(model.state_dict())


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused(tmp_path, zipped):
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(BenchError, match="pickle"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize(("length", "start"), [(0x80, b"\x80"), (0x280, b"\x80\x02"), (0x4B50, b"PK")])
def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path, length, start):
    save_file({"w": torch.arange(3.0)}, tmp_path / "short.safetensors")
    data = (tmp_path / "short.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    path = tmp_path / "long.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + data[8:8 + size].ljust(length) + data[8 + size:])
    assert path.read_bytes().startswith(start) and read_weights(path)["w"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("size", [0, 5, 40, -1])
def test_a_truncated_file_is_refused(tmp_path, size):
    path = tmp_path / "w.safetensors"
    save_file({"w": torch.ones(20)}, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BenchError, match="safetensors"):
        read_weights(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(BenchError, match="cannot read"):
            read_weights(path)


def test_weights_of_another_model_name_the_first_mismatch():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    state = model.state_dict()
    for change, word in [({"1.weight": torch.ones(5, 2)}, "1.weight"), ({"0.bias": torch.ones(2).double()}, "float64"), ({"2.x": torch.ones(1)}, "2.x")]:
        with pytest.raises(BenchError, match=word):
            check_weights({**state, **change}, model)
    with pytest.raises(BenchError, match=r"0\.weight"):
        check_weights({k: v for k, v in state.items() if k != "0.weight"}, model)
    with pytest.raises(BenchError, match="nan"):
        load_weights_(model, {**state, "1.bias": torch.tensor([0.0, float("nan")])})


def test_digest_tells_names_shapes_types_and_values_apart():
    one = torch.arange(6.0)
    others = [{"b": one}, {"a": one.reshape(2, 3)}, {"a": one.double()}, {"a": one + 1}, {"a": one, "b": one}]
    assert len({digest_of(t) for t in [{"a": one}, *others]}) == 6
    assert digest_of({"a": one, "b": one + 1}) == digest_of({"b": one + 1, "a": one.clone()})
    assert digest_of({"m": torch.tensor(True)}) != digest_of({"m": torch.tensor(False)})
