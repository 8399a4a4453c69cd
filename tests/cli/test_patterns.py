from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from benchbase.nets.weights import write_weights
from benchbase_plugins.models.vgg import vgg_digits

from .conftest import DATA, QUICK, bench

WHOLE = {"features.0": 32, "features.3": 32, "features.7": 64, "features.10": 64, "features.14": 64, "features.17": 64}


def test_the_records_of_half_a_network_make_a_budget_of_half(ran):
    """l1-norm removes half of every layer: so does the pattern, by stage and by layer; two seeds are two networks, four protocols no more."""
    board = str(ran.root / "board")
    for per, rows in (("stage", 3), ("layer", 6)):
        said = json.loads(bench("patterns", board, "--per", per, "--json").out)
        assert (said["networks"], said["source"], said["model"], said["per"]) == (2, "vgg-digits", "vgg-digits", per)
        assert list(said["kept"].values()) == [0.5] * rows and said["widths"] == {name: width // 2 for name, width in WHOLE.items()}
    text = bench("patterns", board, "--out", "guided.yaml")
    assert text.code == 0 and "50.0 %" in text.out and text.out.rstrip().endswith("written to guided.yaml")
    assert yaml.safe_load(Path("guided.yaml").read_text())["widths"] == {name: width // 2 for name, width in WHOLE.items()}
    planned = bench("plan", "-m", "random", "--budget", "guided.yaml", *QUICK, "--json")
    assert planned.code == 0 and json.loads(planned.out)["refused"] == []


def test_a_random_design_has_as_many_channels(ran):
    board = str(ran.root / "board")
    one, two, again = (json.loads(bench("patterns", board, "--random", seed, "--json").out)["widths"] for seed in ("1", "2", "1"))
    assert one == again != two and abs(sum(one.values()) - 160) <= 6


def test_masks_of_a_pruned_folder_have_kernel_positions(tmp_path):
    write_weights(tmp_path / "w.safetensors", vgg_digits(4).state_dict())
    assert bench("prune", "-m", "magnitude", "--model", "vgg-digits", "--dataset", DATA, "--weights", str(tmp_path / "w.safetensors"),
                 "--budget", "0.75", "--out", "pruned", "--device", "cpu").code == 0
    said = json.loads(bench("patterns", "pruned", "--json").out)
    report = json.loads(Path("pruned/report.json").read_text())
    assert said["networks"] == 1 and set(said["widths"]) == {f"{name}.weight" for name in WHOLE}
    weights = {"stage 1": 9 * 32 + 9 * 32 * 32, "stage 2": 9 * (32 * 64 + 64 * 64), "stage 3": 9 * 2 * 64 * 64}
    left = sum(sum(nine) / 9 * weights[stage] for stage, nine in said["kernels"].items())
    dense = report["nonzero"]["dense"] if isinstance(report["nonzero"], dict) else None
    assert all(len(nine) == 9 and 0 < min(nine) <= max(nine) < 1 for nine in said["kernels"].values())
    assert left == pytest.approx(0.25 * sum(weights.values()), rel=0.01) and (dense is None or dense > left)


def test_curves_are_drawn_of_records(ran, here):
    pytest.importorskip("altair")
    board = str(ran.root / "board")
    said = json.loads(bench("patterns", board, "--curves", "search.svg", "--json").out)
    (point,) = said["points"]
    assert (point["way"], point["size"], point["n"]) == ("l1-norm", "0.5", 2) and point["std"] is not None
    assert Path("search.svg").read_text().startswith("<svg")
    for arguments, named in ((("--curves", "search.doc"), "no picture"), (("--curves", "x.svg", "--protocol", "rewind"), "0 networks")):
        refused = bench("patterns", board, *arguments)
        assert refused.code == 2 and named in refused.lines[0]


def test_what_has_no_pattern(ran, here):
    board = str(ran.root / "board")
    for arguments, named in (((board, "-m", "thinet"), "no such records"), (("nowhere",), "no records at nowhere"),
                             ((board, "--out", "guided.txt"), "no YAML file"), ((board, "--model", "vgg16"), "3 stages, this network has"),
                             ((board, "--model", "resnet-digits", "--per", "layer"), "nothing of layer")):
        said = bench("patterns", *arguments)
        assert said.code == 2 and named in said.lines[0] and len(said.lines) == 2 and not list(here.iterdir())
