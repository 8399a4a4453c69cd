"""20,000 hostile inputs: the small part of the campaign that runs every time. What the campaign came to stands in tests/data/fuzz.json."""
from __future__ import annotations

import json
import os
import subprocess
import warnings
from collections import Counter
from pathlib import Path

import fuzz
import pytest

INPUTS = 20_000
NAMES = ("record", "failure", "suite", "budget", "text", "architecture", "selection", "weights", "image", "stage", "folder cut/architecture.json",
         "folder cut/selection.json", "folder cut/report.json", "folder cut/weights.safetensors", "folder masked/architecture.json",
         "folder masked/masks.safetensors")


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return fuzz.readers(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def watch():
    return fuzz.Watch()


def test_every_reader_is_attacked(every):
    assert tuple(every) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_returns_or_refuses(every, watch, name):
    reader, folder = every[name]
    share = sum(r.share for r, _ in every.values())
    seen = Counter()

    def each(raw):
        verdict = fuzz.judge(reader, folder, raw, watch)
        assert verdict.outcome in ("value", "refused"), f"{raw[:2000]!r}\n{verdict.outcome}"
        seen[verdict.outcome] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fuzz.examples(reader, 10 * -(-INPUTS * reader.share // share // 10), 0, each)
    assert seen["value"] > 20 and (seen["refused"] > 20 or name in ("stage", "text"))  # a stage that cannot be read is none
    assert sum(seen.values()) >= INPUTS * reader.share // share


@pytest.mark.parametrize("name", NAMES)
def test_what_is_valid_is_read(every, watch, name):
    """Else nothing would be attacked but the first line of a reader."""
    reader, folder = every[name]
    read = [fuzz.judge(reader, folder, data if isinstance(data, bytes) else json.dumps(data).encode(), watch).outcome for data in reader.valid]
    assert "value" in read and set(read) <= {"value", "refused"}


@pytest.mark.parametrize("deed", [lambda folder: (folder / "new").write_text("x"), lambda folder: open("/etc/hostname", "rb").close(),
                                  lambda folder: subprocess.run(["true"], check=True), lambda folder: os.mkdir(folder / ".." / "there"),
                                  lambda folder: 1 / 0, lambda folder: __import__("pickle").loads(b"cos\ngetcwd\n."),
                                  lambda folder: os.utime(folder / "x", (0, 0))])
def test_the_watch_sees(tmp_path, watch, deed):
    (tmp_path / "in").mkdir()
    verdict = fuzz.judge(fuzz.Reader("x", [b""], deed), tmp_path / "in", b"", watch)
    assert verdict.outcome not in ("value", "refused")


def test_what_the_campaign_came_to():
    result = json.loads((Path(__file__).parents[1] / "data" / "fuzz.json").read_text())
    assert result["failures"] == {} and result["slower_than_1_s"] == 0 and set(result["readers"]) == set(NAMES)
    assert result["inputs"] == sum(sum(count.values()) for count in result["readers"].values()) >= 20_000


def test_campaign_that_was_done_before_reads_nothing_more():
    done = json.loads((Path(__file__).parents[1] / "data" / "fuzz.json").read_text())
    assert fuzz.campaign(done["inputs"], 0, lambda _: pytest.fail("another round was read"), done) == done
