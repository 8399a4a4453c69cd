"""A sound board is accepted; each tampering is refused by a finding that names the file and the reason."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from factory import bits, failure, sha
from many import PROTOCOLS, fill, sound

from benchbase.board import survey
from benchbase.board.build import build
from benchbase.board.verify import verify
from benchbase.errors import BenchError
from benchbase.values.record import key_of, record_of, to_text

COMMITTED = Path(__file__).parents[2] / "leaderboard"


@dataclass
class Board:
    """A leaderboard to tamper with, and its records by what they are."""

    folder: Path

    def file(self, protocol: str = "finetune", seed: int = 0, method: str = "l1-norm", ratio: float = 0.5) -> Path:
        for path in sorted((self.folder / "v1" / "records" / "digits" / "vgg-digits" / method).glob("*.json")):
            data = json.loads(path.read_text())
            if (data["protocol"], data["seed"], data["budget"]["ratio"]) == (protocol, seed, ratio):
                return path
        raise AssertionError("no such record")

    def edit(self, path: Path | None = None, rekey: bool = False, **changes: Any) -> Path:
        """Change fields in a file, `a__b` the field b of a; rekey: as an author of a new record would, with its key and place."""
        path = path or self.file()
        data = json.loads(path.read_text())
        for name, value in changes.items():
            outer, _, inner = name.partition("__")
            if inner:
                data[outer][inner] = value
            else:
                data[outer] = value
        if rekey:
            data["key"] = key_of(**data)
            path.unlink()
            path = path.with_name(f"{data['key']}.json")
        path.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")
        return path

    def findings(self, **options: Any) -> list[tuple[str, str]]:
        report = verify(self.folder, tables=False, **options)
        assert all(f.todo and "\n" not in f.reason + f.todo for f in report.findings)
        return [(f.file, f.reason) for f in report.wrong]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    records = [sound(method=m, ratio=r, protocol=p, seed=s) for m in ("l1-norm", "thinet") for r in (0.5, 0.75) for p in PROTOCOLS for s in range(3)]
    fill(folder, [*records, failure("not_applicable", method="sss", protocol="")])
    build(folder)
    return folder


@pytest.fixture
def board(original: Path, tmp_path: Path) -> Board:
    shutil.copytree(original, tmp_path / "board")
    return Board(tmp_path / "board")


def test_a_sound_board_is_accepted(board):
    report = verify(board.folder)
    assert report.findings == () and (report.records, report.reproductions, report.failures) == (84, 0, 1)
    assert verify(board.folder / "v1") == report


def test_the_committed_board_is_accepted():
    report = verify(COMMITTED)
    assert report.wrong == () and report.records > 0


def flip(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def bits_of_another_number(b: Board) -> Path:
    return b.edit(correct=bits(5, 898))


def fewer_bits(b: Board) -> Path:
    return b.edit(correct=bits(800, 880))


def a_smaller_test_split(b: Board) -> Path:
    return b.edit(test_images=100, correct=bits(90, 100), metrics__top1=90.0)


def moved_to_another_method(b: Board) -> Path:
    path = b.file()
    target = path.parent.parent / "thinet" / path.name
    path.rename(target)
    return target


def another_file_name(b: Board) -> Path:
    path = b.file()
    target = path.with_name(f"{flip(path.stem)}.json")
    path.rename(target)
    return target


def a_larger_number_by_hand(b: Board) -> Path:
    path = b.file()
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 1, "speedup": 9.5'))
    return path


def one_key_twice(b: Board) -> Path:
    path = b.file()
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 0, "seed": 0', 1))
    return path


def cut_off(b: Board) -> Path:
    path = b.file()
    path.write_text(path.read_text()[:300])
    return path


def huge(b: Board) -> Path:
    path = b.file()
    with path.open("r+b") as file:
        file.truncate(survey.MAX_BYTES + 1)
    return path


def deep(b: Board) -> Path:
    path = b.file()
    path.write_text("[" * 100_000)
    return path


def stray(b: Board) -> Path:
    path = b.file().with_name("run.sh")
    path.write_text("#!/bin/sh\n")
    return path


def half_a_record(b: Board) -> Path:
    path = b.file()
    path = path.with_name(f".{path.name[:40]}.abcd_123.part")
    path.write_text("{")
    return path


def stray_beside_the_records(b: Board) -> Path:
    path = b.folder / "v1" / "notes.txt"
    path.write_text("mine\n")
    return path


def link(b: Board) -> Path:
    path = b.file()
    text = path.read_text()
    path.unlink()
    (b.folder.parent / "elsewhere.json").write_text(text)
    path.symlink_to(b.folder.parent / "elsewhere.json")
    return path


def linked_folder(b: Board) -> Path:
    path = b.folder / "v1" / "records" / "digits" / "other"
    path.symlink_to(b.folder / "v1" / "records" / "digits" / "vgg-digits")
    return path


def copied_as_reproduction(b: Board) -> Path:
    path = b.file()
    target = path.with_name(f"{path.stem}.1.json")
    shutil.copy(path, target)
    return target


def reproduction_without_its_record(b: Board) -> Path:
    path = b.file()
    target = path.with_name(f"{path.stem}.2.json")
    path.rename(target)
    return target


def shared_with_another_network(b: Board) -> Path:
    return b.edit(shared_with=[b.file(seed=1).stem])


def shared_by_one_side(b: Board) -> Path:
    one, two = b.file("scratch-e"), b.file("scratch-e", method="thinet")
    b.edit(two, started="2025-01-02T00:00:00Z")
    return b.edit(one, shared_with=[two.stem])


def correction_of_another_method(b: Board) -> Path:
    return b.edit(supersedes=b.file(method="thinet").stem)


def another_base(b: Board) -> Path:
    return b.edit(b.file("scratch-e"), unpruned__top1=60.0)


def dense_cost(b: Board) -> Path:
    path = b.file("scratch-e")
    data = json.loads(path.read_text())
    size = {f"unpruned__{k}": 2 * data["unpruned"][k] for k in ("params", "nonzero")}
    return b.edit(path, **size, achieved__params=0.75, achieved__nonzero=0.75)


def cost_of_one_architecture(b: Board) -> Path:
    path = b.file("scratch-e")
    params = json.loads(path.read_text())["metrics"]["params"] - 1000
    return b.edit(path, metrics__params=params, metrics__nonzero=params, achieved__params=1 - params / 140_000)


def same_weights_other_accuracy(b: Board) -> Path:
    path = b.file("scratch-e", method="thinet")
    return b.edit(path, metrics__top1=100 * 700 / 898, correct=bits(700, 898))


def failure_under_another_key(b: Board) -> Path:
    path = next((b.folder / "v1").rglob("failed/*.json"))
    return b.edit(path, message="it works on my machine", seed=3)


TAMPERINGS = {
    "accuracy that the bits deny": (lambda b: b.edit(metrics__top1=99.5), "the bits say"),
    "bits of another number": (bits_of_another_number, "the bits say"),
    "fewer bits than images": (fewer_bits, "not 898 packed bits"),
    "bits that are none": (lambda b: b.edit(correct="AAAA"), "not packed bits"),
    "accuracy out of range": (lambda b: b.edit(metrics__top1=101.0), "metrics.top1"),
    "not a number": (lambda b: b.edit(metrics__loss=float("nan")), "metrics.loss"),
    "unknown field": (a_larger_number_by_hand, "speedup"),
    "one key twice": (one_key_twice, "twice"),
    "cut off": (cut_off, "is not JSON"),
    "too large": (huge, "larger than"),
    "too deep": (deep, "too deeply"),
    "stray file": (stray, "no record by its name"),
    "half a record": (half_a_record, "a record half written"),
    "stray file beside the records": (stray_beside_the_records, "no file of a leaderboard"),
    "link": (link, "is a link"),
    "linked folder": (linked_folder, "is a link"),
    "seed changed": (lambda b: b.edit(seed=7), "key is not the digest"),
    "recipe changed": (lambda b: b.edit(recipe__epochs=10), "key is not the digest"),
    "method's parameters changed": (lambda b: b.edit(method__params={"images": 4}), "key is not the digest"),
    "moved": (moved_to_another_method, "wrong place"),
    "renamed": (another_file_name, "wrong place"),
    "digest that is none": (lambda b: b.edit(digests__final="f" * 63), "digests.final"),
    "digest of another architecture": (lambda b: b.edit(digests__architecture=sha("other")), "digests.architecture"),
    "smaller test split": (a_smaller_test_split, "test_images is 100, 898 in others"),
    "shared with another network": (shared_with_another_network, "whose final network is another"),
    "shared by one side": (shared_by_one_side, "younger"),
    "asked for less": (lambda b: b.edit(asked={"ratio": 0.25, "name": "0.25"}), "asked is not the budget"),
    "achieved more": (lambda b: b.edit(achieved__macs=0.9), "achieved.macs is 0.9"),
    "another base": (another_base, "the base"),
    "unpruned network of another size": (dense_cost, "parameters and multiply-adds"),
    "one architecture, two sizes": (cost_of_one_architecture, "of its architecture"),
    "one network, two accuracies": (same_weights_other_accuracy, "the final network"),
    "copy as a reproduction": (copied_as_reproduction, "a copy is no reproduction"),
    "reproduction of nothing": (reproduction_without_its_record, "before it is missing"),
    "correction of another's record": (correction_of_another_method, "of another cell"),
    "failure under another key": (failure_under_another_key, "key is not the digest"),
    "trained for longer": (lambda b: b.edit(metrics__epochs=80), "metrics.epochs is 80"),
    "started in the future": (lambda b: b.edit(started="2999-01-01T00:00:00Z"), "has not come"),
    "started never": (lambda b: b.edit(started="2025-02-30T00:00:00Z"), "is no date"),
    "a user's path": (lambda b: b.edit(device__name="/home/ada/gpu"), "device.name: holds a path"),
    "a user's address": (lambda b: b.edit(versions__torch="ada@example.org"), "holds an address"),
    "a host's name": (lambda b: b.edit(device__hostname="lab7"), "machine's or the user's name"),
    "a machine's address": (lambda b: b.edit(device__name="10.0.0.7"), "machine's address"),
    "control character": (lambda b: b.edit(device__note="a\u009b1m"), "U+009B"),
    "text that turns around": (lambda b: b.edit(device__name="a\u202eb"), "U+202E"),
    "text that cannot be seen": (lambda b: b.edit(device__name="cpu\u200b"), "U+200B"),
    "text that is composed otherwise": (lambda b: b.edit(device__name="cafe\u0301"), "NFC"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_refused_by_file_and_reason(board, name):
    tamper, reason = TAMPERINGS[name]
    path = tamper(board)
    file = path.relative_to(board.folder).as_posix()
    found = board.findings()
    assert any(f == file and reason in why for f, why in found), found
    assert {f for f, _ in found} <= {file} or name in ("one network, two accuracies", "moved", "another base", "seed changed"), found


@pytest.mark.parametrize("name", ["README.md", "index.json", "index.html"])
def test_derived_files_that_were_edited_or_taken_away_are_refused(board, name):
    path = board.folder / "v1" / name
    text = path.read_text()
    path.write_text(text.replace("l1-norm", "l2-norm"))
    assert [(f.file, f.reason) for f in verify(board.folder).wrong] == [(f"v1/{name}", "is not what the records give")]
    path.unlink()
    assert [(f.file, f.reason) for f in verify(board.folder).wrong] == [(f"v1/{name}", "is missing")]
    path.symlink_to(board.file())
    assert [f.file for f in verify(board.folder).wrong] == [f"v1/{name}"]


def test_a_record_that_was_taken_away_shows_in_the_tables(board):
    board.file().unlink()
    assert {f.file for f in verify(board.folder).wrong} == {"v1/README.md", "v1/index.json", "v1/index.html"}


def test_seeds_with_gaps_and_missed_budgets_are_noted_not_refused(board):
    for protocol in PROTOCOLS:
        board.file(protocol, seed=1).unlink()
    build(board.folder)
    report = verify(board.folder)
    assert report.wrong == () and [f.reason for f in report.findings] == ["l1-norm 0.5: seeds 0, 2 are not 0 to 1: they may have been picked"]


def test_tables_that_were_never_built_are_noted(board):
    for name in ("README.md", "index.json", "index.html"):
        (board.folder / "v1" / name).unlink()
    report = verify(board.folder)
    assert report.wrong == () and [f.reason for f in report.findings] == ["its tables have not been built"]


def test_a_correction_of_ones_own_record_and_a_reproduction_are_accepted(board):
    path = board.file()
    data = json.loads(path.read_text())
    again = record_of({**data, "started": "2025-03-01T00:00:00Z", "device": {"type": "cuda", "name": "another"}})
    path.with_name(f"{path.stem}.1.json").write_text(to_text(again))
    board.edit(board.file(seed=1), supersedes=board.file(seed=1).stem)
    assert board.findings() == [] and verify(board.folder, tables=False).reproductions == 1


def test_no_leaderboard(tmp_path):
    with pytest.raises(BenchError, match="no leaderboard"):
        verify(tmp_path)


def test_needs_neither_torch_nor_plugins(board):
    code = "import sys; from benchbase.board.verify import verify; verify(sys.argv[1]); print(sorted({'torch', 'pluggy', 'jinja2'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code, str(board.folder)], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert "torch" not in done.stdout and "pluggy" not in done.stdout
