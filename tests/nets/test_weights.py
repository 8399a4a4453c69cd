from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchbase.errors import BenchError
from benchbase.nets.weights import Told, check_weights, digest_of, load_file_, load_weights_, read_header, read_weights, write_weights


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


def written(path, header, data=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + data)
    return path


def one(**said):
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **said}}


@pytest.mark.parametrize(("header", "data"), [
    ([], b""), (b"[" * 100_000, b""), (one(shape=[3]), b"\0" * 8), (one(shape=[-1, -2]), b"\0" * 8), (one(shape=[2**63, 2**63]), b"\0" * 8),
    (one(shape=[True, 2]), b"\0" * 8), (one(dtype="F33"), b"\0" * 8), (one(dtype=["F32"]), b"\0" * 8), (one(data_offsets=[0, 2**60]), b"\0" * 8),
    (one(data_offsets=[8, 0]), b"\0" * 8), (one(data_offsets=[0]), b"\0" * 8), (one(), b"\0" * 9), (one(), b"\0" * 7),
    ({**one(), "v": one()["w"]}, b"\0" * 8), (one(data_offsets=[4, 12]), b"\0" * 12), ({"w": None}, b""), (one(shape=[1] * 17), b"\0" * 4)])
def test_a_header_that_lies_is_refused_before_a_tensor_is_read(tmp_path, monkeypatch, header, data):
    monkeypatch.setattr("benchbase.nets.weights.load", lambda raw: pytest.fail("read"))
    with pytest.raises(BenchError, match="safetensors"):
        read_weights(written(tmp_path / "w", header, data))


def test_the_length_of_a_header_is_bounded_before_it_is_read(tmp_path):
    with (tmp_path / "w").open("wb") as file:
        file.write((2**34).to_bytes(8, "little"))
        file.truncate(2**35)  # no block of it is on the disk
    with pytest.raises(BenchError, match="header is too long"):
        read_weights(tmp_path / "w")


def test_what_a_header_tells_is_what_is_read(tmp_path):
    tensors = {"a": torch.ones(2, 3), "b": torch.zeros(0), "c": torch.tensor(3), "d": torch.ones(4, dtype=torch.bool), "e": torch.ones(2).bfloat16()}
    write_weights(tmp_path / "w", tensors)
    assert read_header(tmp_path / "w") == {name: Told(tuple(t.shape), t.dtype) for name, t in tensors.items()}


def test_weights_of_another_model_are_refused_by_their_header(tmp_path, monkeypatch):
    write_weights(tmp_path / "w", nn.Linear(3, 2).state_dict())
    assert torch.equal(load_file_(nn.Linear(3, 2), tmp_path / "w").weight, read_weights(tmp_path / "w")["weight"])
    monkeypatch.setattr("benchbase.nets.weights.load", lambda raw: pytest.fail("read"))
    with pytest.raises(BenchError, match=r"'weight' is \(2, 3\), the model has \(2, 4\)"):
        load_file_(nn.Linear(4, 2), tmp_path / "w")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(BenchError, match="cannot read"):
            read_weights(path)


def test_weights_of_another_model_name_the_first_mismatch():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    state = model.state_dict()
    for change, word in [({"1.weight": torch.ones(5, 2)}, "1.weight"), ({"0.bias": torch.ones(2).double()}, "float64"),
                         ({"2.x": torch.ones(1)}, "2.x")]:
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
