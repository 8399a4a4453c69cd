"""Two passes over one cell: the small part of the soak that runs every time. What the soak came to stands in tests/data/soak.json."""
from __future__ import annotations

import json
from pathlib import Path

import soak

TOLD = Path(soak.__file__).parents[1] / "data" / "soak.json"
SUITE = """
methods: [l1-norm, random]
datasets: ['synthetic[train=64,test=32]']
budgets: [0.5]
protocols: [one-shot, finetune, scratch-e]
seeds: 0
recipe: {epochs: 1, batch_size: 32}
finetune: {epochs: 1}
"""


def test_two_passes(tmp_path):
    suite, told = tmp_path / "suite.yaml", []
    suite.write_text(SUITE)
    result = soak.soak(tmp_path, str(suite), 5, 0, told.append)
    assert result == told[-1] and result["wrong"] == []
    counts = ("cells", "cells_again", "trainings", "trainings_again", "records")
    assert [result[name] for name in counts] == [2, 2, 4, 0, 6]  # a base, two fine-tunings, one scratch for both
    assert result["stages_verified"] > 10 and result["rss_mb_after_again"] > 100 and len(result["rss_mb_first"]) == 2


def test_no_more_than_fits_into_the_time(tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE.replace("[one-shot, finetune, scratch-e]", "[one-shot]"))
    assert (result := soak.soak(tmp_path, str(suite), 0, 0, lambda result: None))["cells"] == result["cells_again"] == 1


def test_growth_is_seen():
    flat = [soak.Held(500 + i % 2, 20) for i in range(8)]
    assert soak.soaked(flat, flat, {})["wrong"] == [] and soak.soaked(flat, flat, {"suite": "it"})["cells_again"] == 8
    grown = [soak.Held(500 + 30 * i, 20 + i, trained=1, failed=i == 7) for i in range(8)]
    words = soak.soaked(grown, grown[:7], {"wrong": ["1 damaged stages"]})["wrong"]
    assert [line.split()[0] for line in words] == ["grew", "3", "a", "the", "the", "1"]
    leaking = [soak.Held(500 + 20 * i, 20) for i in range(8)]
    assert soak.soaked(flat, leaking, {})["wrong"] == ["grew by 139 MB"]


def test_samples_are_thinned():
    assert soak.thinned(range(20)) == [*range(20)] and soak.thinned([]) == []
    assert len(few := soak.thinned(range(1001))) <= 20 and few[-1] == 1000


def test_what_the_soak_came_to():
    told = json.loads(TOLD.read_text())["soak"]
    assert told["wrong"] == [] and told["cells"] == told["cells_again"] > 0 == told["trainings_again"]
    assert told["rss_mb_after_again"] - told["rss_mb_after_first"] < soak.MORE_MB and told["open_files_at_most"] < 50
