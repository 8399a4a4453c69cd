from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys

import pytest
from factory import failure, judged, record, sha, sweep

from benchbase.board.build import build, load, to_json
from benchbase.board.table import tables
from benchbase.errors import BenchError
from benchbase.values.budget import Budget
from benchbase.values.record import path_of, to_text, write

RECORDS = [*judged(3), *judged(0, method="thinet", final=None), record(dataset="cifar10")]
FAILURES = [failure(seed=6, protocol=""), failure("not_applicable", method="sss", protocol="")]


def fill(folder, items=(*RECORDS, *FAILURES)):
    for item in items:
        path = folder / "v1" / path_of(item)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(to_text(item), encoding="utf-8")
    return folder


def derived(folder):
    return {name: (folder / "v1" / name).read_bytes() for name in ("README.md", "index.json", "index.html")}


def test_writes_readme_index_and_page_beside_the_records(tmp_path):
    fill(tmp_path)
    assert build(tmp_path) == [tmp_path / "v1" / name for name in ("README.md", "index.json", "index.html")]
    index = json.loads(derived(tmp_path)["index.json"])
    assert len(index["records"]) == len(RECORDS) and len(index["failures"]) == 2 and index["tables"] == to_json(tables(RECORDS, FAILURES))["tables"]
    for line in (*index["records"], *index["failures"]):
        assert (tmp_path / "v1" / line["folder"] / f"{line['key']}.json").is_file()
    assert not [p for p in (tmp_path / "v1").iterdir() if p.name not in ("README.md", "index.json", "index.html", "records")]


def test_what_a_killed_run_left_half_written_goes_when_it_is_old(tmp_path):
    fill(tmp_path)
    old, young = ((tmp_path / "v1" / path_of(RECORDS[0])).with_name(f".{name}.json.abcdefgh.part") for name in ("old", "young"))
    for path in (old, young):
        path.write_text("{")
    os.utime(old, (0, 0))
    build(tmp_path)
    assert not old.exists() and young.exists()


def test_links_of_the_readme_lead_somewhere(tmp_path):
    import re
    from urllib.parse import unquote

    build(fill(tmp_path, [*RECORDS, *FAILURES, *sweep({"finetune": [1]}, model="torchvision:vgg16_bn", method="m[x=1] (y)")]))
    links = re.findall(r"\]\((records[^)]*)\)", derived(tmp_path)["README.md"].decode())
    assert len(set(links)) == 6 and all((tmp_path / "v1" / unquote(link)).is_dir() for link in links)


def test_the_same_bytes_whatever_the_order_of_files_and_of_hashes(tmp_path):
    items = [*RECORDS, *FAILURES]
    one = fill(tmp_path / "one", items)
    two = fill(tmp_path / "two", random.Random(0).sample(items, len(items)))
    for folder, seed in ((one, "1"), (two, "2")):
        code = "import sys; from benchbase.board.build import build; build(sys.argv[1]); assert 'torch' not in sys.modules"
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    assert derived(one) == derived(two)
    build(one)
    assert derived(one) == derived(two)


def test_the_file_without_a_number_is_the_record_whatever_the_dates_say(tmp_path):
    first = record(right=850, started="2025-06-01T00:00:00Z")
    write(first, tmp_path)
    for n, right in enumerate((800, 801, 802, 803, 804, 805, 806, 807, 808, 809, 810)):
        write(record(right=right, final=sha(n), started="2020-01-01T00:00:00Z"), tmp_path)
    (table,) = load(tmp_path)
    assert table.rows[0].entry("finetune").values == ((0, pytest.approx(85000 / 898)),) and table.rows[0].repeats == 11
    build(tmp_path)
    index = json.loads(derived(tmp_path)["index.json"])
    assert [r["top1"] for r in index["records"]] == [pytest.approx(85000 / 898, abs=1e-5)] and len(index["reproductions"]) == 11


@pytest.mark.parametrize("where", ["", "v1", "v1/records"])
def test_loads_a_leaderboard_its_version_or_its_records(tmp_path, where):
    fill(tmp_path)
    assert load(tmp_path / where) == tables(RECORDS, FAILURES)
    assert build(tmp_path / where)[0] == tmp_path / "v1" / "README.md"


def test_loads_one_record(tmp_path):
    path = write(record(), tmp_path)
    assert len(load(path)[0].rows) == 1


def test_defaults_shorten_labels(tmp_path):
    write(record(params={"images": 64, "refit": True}), tmp_path)
    assert load(tmp_path)[0].rows[0].who.label == "l1-norm"
    assert load(tmp_path, {"l1-norm": {"images": 256, "refit": True}})[0].rows[0].who.label == "l1-norm[images=64]"


def test_what_is_no_leaderboard_is_refused(tmp_path):
    for where in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BenchError):
            build(where)
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_cannot_be_read_stops_the_build_and_is_named(tmp_path):
    build(fill(tmp_path))
    before = derived(tmp_path)
    path = tmp_path / "v1" / path_of(RECORDS[0])
    path.write_text(path.read_text()[:200])
    with pytest.raises(BenchError, match=path.name):
        build(tmp_path)
    assert derived(tmp_path) == before


def test_of_the_page_its_data_is_derived_and_the_rest_is_not():
    from benchbase.board.build import as_derived
    from benchbase.board.build import derived as texts
    from benchbase.board.reported import Cited

    made, cited = texts(RECORDS, [], []), texts(RECORDS, [], [], {"thinet": Cited("Luo, Wu, Lin. ThiNet. ICCV 2017")})
    assert made["index.html"] != cited["index.html"] and as_derived("index.html", cited["index.html"].encode(), made["index.html"])
    assert as_derived("README.md", cited["README.md"].encode(), made["README.md"])
    page = made["index.html"].encode()
    for other in (page.replace(b'"n":5', b'"n":6', 1), page.replace(b'id="data"', b'id="dota"'), page + page, b"\xff", b""):
        assert not as_derived("index.html", other, made["index.html"])
    assert not as_derived("README.md", made["README.md"].encode() + b" ", made["README.md"])


def test_an_empty_leaderboard(tmp_path):
    (tmp_path / "v1" / "records").mkdir(parents=True)
    build(tmp_path)
    assert b"There are no records yet" in derived(tmp_path)["README.md"] and load(tmp_path) == []


def test_build_does_not_read_what_it_wrote(tmp_path):
    build(fill(tmp_path))
    before = derived(tmp_path)
    build(tmp_path)
    assert derived(tmp_path) == before


def test_two_thousand_records(tmp_path):
    protocols = ("one-shot", "finetune", "scratch-e", "scratch-b")
    items = [record(model=f"model-{m}", method=method, budget=Budget(ratio=r), protocol=p, seed=s, right=800 + s)
             for m in range(5) for method in ("a", "b", "c", "d", "e") for r in (0.3, 0.5, 0.7, 0.9) for p in protocols for s in range(5)]
    build(fill(tmp_path, items))
    index = json.loads(derived(tmp_path)["index.json"])
    assert len(index["records"]) == 2000 and [len(t["rows"]) for t in index["tables"]] == [20] * 5
    shutil.rmtree(tmp_path / "v1")
