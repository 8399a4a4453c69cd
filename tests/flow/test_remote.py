"""Stages in an object store (moto's S3, over HTTP) and in a folder: whole, as they were sent, or not there."""
from __future__ import annotations

import json

import pytest

from benchbase.cli import main
from benchbase.errors import BenchError
from benchbase.flow.do import Done
from benchbase.flow.remote import SUMS, remote_at
from benchbase.flow.store import STAGE, Store, write_stage

KEY = "ab" * 32


@pytest.fixture(scope="module")
def server():
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    made = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    made.start()
    yield "http://{}:{}".format(*made.get_host_and_port())
    made.stop()


@pytest.fixture(params=["s3", "file"])
def url(request, tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    if request.param == "file":
        return f"file://{tmp_path}/remote"
    import s3fs

    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": request.getfixturevalue("server"),
                        "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir(f"bucket-{tmp_path.name.replace('_', '-').lower()[:40]}")
    return f"s3://bucket-{tmp_path.name.replace('_', '-').lower()[:40]}/store"


@pytest.fixture
def store(tmp_path):
    """One finished stage, with a folder in it."""
    made = Store(tmp_path / "store")
    with made.lock(KEY), made.writing(KEY) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "report.json").write_text("{}")
        (folder / "weights.safetensors").write_bytes(bytes(range(256)) * 999)
        write_stage(folder, Done(KEY, "train", "d1", {"top1": 1.5}, folder, 2.0, "sweep"))
    return made


def files(store):
    return {p.relative_to(store.folder(KEY)).as_posix(): p.read_bytes() for p in store.folder(KEY).rglob("*") if p.is_file()}


def test_there_and_back_is_the_same_and_again_does_nothing(url, store, tmp_path, capsys):
    other = Store(tmp_path / "other")
    for verb, root, says in [("push", store, "pushed 1 stage; 0 were there"), ("push", store, "pushed 0 stages; 1 were there"),
                             ("pull", other, "pulled 1 stage; 0 were there"), ("pull", other, "pulled 0 stages; 1 were there")]:
        assert main(["store", verb, url, KEY[:4], "--store", str(root.root)]) == 0
        assert says in capsys.readouterr().out
    assert files(other) == files(store) and other.get(KEY).info == {"top1": 1.5}
    assert main(["store", "pull", url, "cd", "--store", str(other.root)]) == 2
    assert "begins with 'cd'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["weights.safetensors", "deep/report.json", STAGE])
def test_what_is_damaged_there_is_refused_and_leaves_nothing_here(url, store, tmp_path, name):
    remote, other = remote_at(url), Store(tmp_path / "other")
    remote.push(store, KEY)
    size = len(files(store)[name])
    remote.files.pipe_file(f"{remote.root}/ab/{KEY}/{name}", b"x" * size)
    with pytest.raises(BenchError, match=f"{name} has not arrived as it was sent"):
        remote_at(url).pull(other, KEY)
    assert other.get(KEY) is None and not other.folder(KEY).exists() and not list((other.root / "ab").iterdir())


def test_a_push_that_breaks_off_leaves_no_stage(url, store, monkeypatch):
    remote = remote_at(url)
    put = remote.files.put_file

    def broken(local, there, **more):
        if local.endswith(STAGE):
            raise ConnectionResetError("gone")
        return put(local, there, **more)
    monkeypatch.setattr(remote.files, "put_file", broken)
    with pytest.raises(BenchError, match="ConnectionResetError"):
        remote.push(store, KEY)
    assert remote.keys() == [] and remote.files.find(remote.root)
    monkeypatch.setattr(remote.files, "put_file", put)
    assert remote.push(store, KEY) and remote.keys() == [KEY] and not remote.push(store, KEY)


def test_what_arrives_damaged_is_no_stage_there(url, store, monkeypatch):
    remote = remote_at(url)
    put = remote.files.put_file

    def spoilt(local, there, **more):
        put(local, there, **more)
        if local.endswith("weights.safetensors"):
            remote.files.pipe_file(there, b"x")
    monkeypatch.setattr(remote.files, "put_file", spoilt)
    with pytest.raises(BenchError, match="weights.safetensors has not arrived as it was sent"):
        remote.push(store, KEY)
    assert remote.keys() == []
    monkeypatch.setattr(remote.files, "put_file", put)


def test_names_that_leave_the_folder_are_refused(url, store, tmp_path):
    remote, other = remote_at(url), Store(tmp_path / "other")
    remote.push(store, KEY)
    remote.files.pipe_file(f"{remote.root}/ab/{KEY}/{SUMS}", json.dumps({"../out": "0", STAGE: "0"}).encode())
    with pytest.raises(BenchError, match=SUMS):
        remote.pull(other, KEY)
    assert not list(other.root.rglob("out"))


def test_what_cannot_be_reached_is_said(tmp_path, store):
    for url, says in [("odd://x/y", "cannot be reached"), (f"file://{tmp_path}/store/{KEY[:2]}/{KEY}/{STAGE}", "Error")]:
        with pytest.raises(BenchError, match=says):
            remote_at(url).push(store, KEY)
