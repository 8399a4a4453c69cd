"""Someone else's package: their method, their model without init_weights, their float-valued data set, end to end through `bench`."""
from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchbase import load_records

HERE = Path(__file__).parent
PROTOCOLS = ("finetune", "scratch-e", "scratch-b")


def test_the_method_fits_into_25_lines():
    assert len((HERE / "packages/stranger/stranger/method.py").read_text().splitlines()) <= 25


@pytest.fixture(scope="module")
def bench(installed, forked, tmp_path_factory):
    """`bench run` with the stranger's package, two epochs: (the document on stdout, the records)."""
    site, folder = installed("stranger"), tmp_path_factory.mktemp("bench")

    def run(*what: str, leaderboard: str = "board"):
        flags = [f"--protocol={p}" for p in PROTOCOLS] + ["--seeds=0", "--epochs=2", "--finetune-epochs=1", "--device=cpu", "--json"]
        places = [f"--store={folder / 'store'}", f"--leaderboard={folder / leaderboard}", f"--data={folder / 'data'}"]
        done = forked("run", *what, *flags, *places, path=site, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout), load_records(folder / leaderboard)

    return run


@pytest.mark.parametrize(("method", "model", "dataset"), [
    ("geometric-median", "plain-cnn", "gratings"), ("thinet[images=64]", "plain_cnn", "digits"), ("geometric-median", "vgg-digits", "gratings")])
def test_end_to_end(bench, method, model, dataset):
    name = f"{method.partition('[')[0]}-{model}-{dataset}"
    document, records = bench("-m", method, "--model", model, "--dataset", dataset, leaderboard=name)
    assert document and sorted(r.protocol for r in records) == sorted(PROTOCOLS)
    for record in records:
        assert (record.model, record.dataset.name, record.method.name) == (model.replace("_", "-"), dataset, method.partition("[")[0])
        assert 0 <= record.metrics.top1 <= 100 and math.isfinite(record.metrics.loss) and record.metrics.equivalence < 1e-4
        assert record.metrics.params < record.unpruned.params and record.metrics.macs < record.unpruned.macs
    if dataset == "gratings":  # float-valued, and learned: chance is 25 %
        assert next(r.metrics.top1 for r in records if r.protocol == "scratch-b") > 60
    if method == "geometric-median":
        assert {(r.method.distribution, r.method.distribution_version) for r in records} == {("bench-stranger", "0.3.0")}


def test_what_was_trained_is_found_again(bench):
    """Another method at the same budget trains its fine-tuning and nothing else: base and scratch runs are shared."""
    rest = ("--model", "plain-cnn", "--dataset", "gratings")
    _, first = bench("-m", "geometric-median", *rest, leaderboard="first")
    document, other = bench("-m", "random", *rest, leaderboard="other")
    final = {(r.method.name, r.protocol): r.digests.final for r in (*first, *other)}
    assert all(final["geometric-median", p] == final["random", p] for p in ("scratch-e", "scratch-b"))
    assert final["geometric-median", "finetune"] != final["random", "finetune"] and document["trained"] == 1


def test_a_method_in_a_file_is_unpublished(bench, tmp_path):
    (tmp_path / "mine.py").write_text((HERE / "packages/stranger/stranger/method.py").read_text().replace("geometric-median", "my-median"))
    _, records = bench("-m", f"{tmp_path / 'mine.py'}:GeometricMedian", "--model", "plain-cnn", "--dataset", "gratings", leaderboard="file")
    assert {(r.method.name, r.method.distribution) for r in records} == {("my-median", None)} and all(len(r.method.source) == 64 for r in records)
    assert str(tmp_path) not in "".join(r.model_dump_json() for r in records)
