from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbase.errors import BenchError
from benchbase.training.data import load
from benchbase.values.digest import to_json
from benchbase_plugins.datasets.imagefolder import ImageFolder


def paint(file: Path, value: int, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> None:
    """A plain image, width x height."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value, 10, 200) if mode == "RGB" else value).save(file)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes, three training images and two test images each, in several formats."""
    root = tmp_path / "my pictures"
    for c, name in enumerate(("zebra", "ant")):
        for split, endings in (("train", ("png", "PNG", "bmp")), ("test", ("png", "gif"))):
            for i, ending in enumerate(endings):
                paint(root / split / name / f"{i}.{ending}", 100 * c + 10 * i + (split == "test"))
    (root / "train" / "ant" / "notes.txt").write_text("no image")
    (root / "train" / "ant" / ".hidden.png").write_text("no image")
    (root / "train" / ".cache").mkdir()
    return root


def test_sorted_classes_and_files(folder):
    made = ImageFolder(str(folder))
    images, labels = made.load(Path(), "train")
    assert made.classes == ("ant", "zebra") and made.num_classes == 2 and made.shape == (3, 4, 6)
    assert images.dtype == torch.uint8 and images.shape == (6, 3, 4, 6) and labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images[:, 0, 0, 0].tolist() == [100, 110, 120, 0, 10, 20] and (images[:, 1] == 10).all() and (images[:, 2] == 200).all()
    data = load(made, Path())
    assert data.count("train") == 6 and data.count("test") == 4


def test_val_is_the_test_split_where_there_is_no_other(folder):
    (folder / "test").rename(folder / "val")
    assert len(ImageFolder(str(folder)).load(Path(), "test")[1]) == 4


def test_a_fixed_part_of_each_class(folder):
    made = ImageFolder(str(folder), per_class=1)
    assert made.load(Path(), "train")[0][:, 0, 0, 0].tolist() == [100, 0]
    assert made.load(Path(), "test")[0][:, 0, 0, 0].tolist() == [101, 1]
    many = ImageFolder(str(folder), per_class=3)
    assert len(many.load(Path(), "train")[1]) == 6 and len(many.load(Path(), "test")[1]) == 4
    with pytest.raises(BenchError, match="has 3 images, fewer than per_class=4"):
        ImageFolder(str(folder), per_class=4).load(Path(), "train")


def test_a_fixed_part_of_the_test_split_alone(folder):
    made = ImageFolder(str(folder), test_per_class=1)
    assert len(made.load(Path(), "train")[1]) == 6 and made.load(Path(), "test")[0][:, 0, 0, 0].tolist() == [101, 1]
    both = ImageFolder(str(folder), per_class=1, test_per_class=2)
    assert len(both.load(Path(), "train")[1]) == 2 and len(both.load(Path(), "test")[1]) == 4


def test_sizes_are_made_one(folder):
    paint(folder / "train" / "ant" / "9.png", 7, size=(10, 5))
    with pytest.raises(BenchError, match=r"train/ant/9.png is 5 x 10") as caught:
        ImageFolder(str(folder)).load(Path(), "train")
    assert "size=" in caught.value.todo
    made = ImageFolder(str(folder), size=3)
    images, _ = made.load(Path(), "train")
    assert images.shape == (7, 3, 3, 3) and made.shape == (3, 3, 3) and images[3, 0].unique().tolist() == [7]


def test_resizing_keeps_the_proportions(folder):
    wide = np.zeros((4, 12, 3), dtype=np.uint8)
    wide[:, 4:8] = 255
    Image.fromarray(wide).save(folder / "train" / "ant" / "0.png")
    assert (ImageFolder(str(folder), size=4).load(Path(), "train")[0][0] == 255).all()  # the middle third


def test_grey_and_transparent_images_become_rgb(folder):
    paint(folder / "train" / "ant" / "0.png", 33, mode="L")
    Image.new("RGBA", (6, 4), (1, 2, 3, 128)).save(folder / "train" / "ant" / "1.PNG")
    images, _ = ImageFolder(str(folder)).load(Path(), "train")
    assert images[0].unique().tolist() == [33] and images[1, :, 0, 0].tolist() == [1, 2, 3]


def test_the_path_names_it_and_enters_nothing(folder, tmp_path):
    made, named = ImageFolder(str(folder)), ImageFolder(str(folder), name="pets")
    assert made.name == "my-pictures" and named.name == "pets" and ImageFolder.name == "imagefolder"
    assert str(tmp_path) not in to_json(made) and "my pictures" not in to_json(made)
    other = tmp_path / "moved"
    prints = [load(made, Path()).fingerprint, load(named, Path()).fingerprint]
    folder.rename(other)
    assert {load(ImageFolder(str(other)), Path()).fingerprint, *prints} == {prints[0]}


def test_a_missing_folder(tmp_path):
    for path in (str(tmp_path / "nothing"), ""):
        with pytest.raises(BenchError, match="folder"):
            load(ImageFolder(path), Path())


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda root: [f.unlink() for f in (root / "train" / "ant").glob("*.*")], "train/ant has no images"),
    (lambda root: (root / "test" / "ant").rename(root / "test" / "bee"), "class 'ant' is in one split only"),
    (lambda root: (root / "test").rename(root / "other"), "no folder test or val"),
    (lambda root: (root / "train").rename(root / "other"), "no folder train"),
    (lambda root: paint(root / "train" / "loose.png", 3), "outside of class folders"),
    (lambda root: (root / "train" / "ant").rename(root.parent / "ant"), "1 class folders"),
    (lambda root: (root / "train" / "zebra" / "1.PNG").write_bytes(b"no image at all"), "train/zebra/1.PNG"),
    (lambda root: (root / "test" / "ant" / "0.png").write_bytes((root / "test" / "ant" / "0.png").read_bytes()[:45]), "test/ant/0.png"),
])
def test_what_is_wrong_is_named(folder, spoil, says):
    spoil(folder)
    with pytest.raises(BenchError, match=says) as caught:
        load(ImageFolder(str(folder)), Path())
    assert caught.value.todo and caught.value.kind == "usage"


@pytest.mark.parametrize("fields", [{"name": "a/b"}, {"name": ".."}, {"name": ""}, {"size": -1}, {"per_class": -5}, {"test_per_class": -1}])
def test_wrong_fields(folder, fields):
    with pytest.raises(BenchError, match=next(iter(fields))):
        ImageFolder(str(folder), **fields)


def test_small_jpegs_are_read_by_the_thousand(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    for split in ("train", "test"):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            noise.save(tmp_path / split / name / "0.jpg")
            data = (tmp_path / split / name / "0.jpg").read_bytes()
            for i in range(1, 250):
                (tmp_path / split / name / f"{i}.jpg").write_bytes(data)
    started = time.process_time()
    assert load(ImageFolder(str(tmp_path)), Path()).count("train") == 500
    assert time.process_time() - started < 3  # of a processor, whoever else is at work: 0.2 s on one of today; 12,000 take about 2 s


def eps(file: Path) -> None:
    file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 4\n%%EndComments\nshowpage\n")


def bomb(file: Path) -> None:
    """A header that promises 2 billion pixels, and none of them."""
    file.write_bytes(b"P6 65000 32000 255\n")


def far(file: Path) -> None:
    outside = file.parents[4] / "outside.png"
    paint(outside, 1)
    file.symlink_to(outside)


def pipe(file: Path) -> None:
    os.mkfifo(file)


@pytest.mark.parametrize("make", [eps, bomb, far, pipe, lambda file: file.mkdir(), lambda file: file.symlink_to(file), lambda file: os.truncate(file, 2**34)])
def test_hostile_images_are_refused_and_no_program_is_called(folder, monkeypatch, make):
    """PostScript would be given to another program, a pipe waited for, a bomb unpacked, a link followed."""
    monkeypatch.setattr("subprocess.Popen", lambda *a, **k: pytest.fail("a program was called"))
    file = folder / "train" / "ant" / "z.png"
    if "truncate" in make.__code__.co_names:
        file.write_bytes(b"")
    make(file)
    with pytest.raises(BenchError, match="cannot read train/ant/z.png"):
        ImageFolder(str(folder)).load(Path(), "train")


def test_a_link_that_stays_in_the_folder_is_read(folder):
    (folder / "train" / "ant" / "z.png").symlink_to(folder / "train" / "ant" / "0.png")
    assert len(ImageFolder(str(folder)).load(Path(), "train")[1]) == 7


@pytest.mark.parametrize(("one", "two"), [("Ant", "ant"), ("caf\u00e9", "cafe\u0301")])
def test_classes_that_some_systems_take_for_one(folder, one, two):
    for name in (one, two):
        paint(folder / "train" / name / "0.png", 1)
    with pytest.raises(BenchError, match="differ only in case"):
        ImageFolder(str(folder)).classes  # noqa: B018
