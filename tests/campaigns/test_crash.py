"""Ten kills, two rounds and every thirtieth moment: the small part of the campaign that runs every time. What the campaign came to stands in tests/data/crash.json."""
from __future__ import annotations

import json
from pathlib import Path

import crash
import sweeps

CAMPAIGN = Path(crash.__file__)


def test_nothing_is_lost(python, tmp_path):
    ran = python(str(CAMPAIGN), "kills", "rounds", "moments", "--kills", "10", "--rounds", "2", "--step", "30", "--result", str(tmp_path / "result.json"),
                 PYTHONPATH=str(CAMPAIGN.parents[2]), TMPDIR=str(tmp_path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = json.loads((tmp_path / "result.json").read_text())
    sound(results, kills=10, rounds=2)
    assert results["moments"]["moments"] >= 4 and results["moments"]["wrong"] == []


def sound(results, **counts):
    """Whether so much was done, and nothing lost by it."""
    for attack, count in counts.items():
        result = results[attack]
        assert result["wrong"] == [] and result[attack] == count and result["records_each"] == 6
    if "kills" in counts:
        told = results["kills"]
        assert sum(told["killed"].values()) == sum(told["kills_by_tenth_of_the_work"]) == counts["kills"]
        assert told["damaged_files"] == 0 and told["epochs_lost_at_most_by_one_stage_at_once"] <= 1
        assert told["kills_amid_a_stage"] >= counts["kills"] / 4
    if "rounds" in counts:
        assert (results["rounds"]["trainings_each"], results["rounds"]["rounds_that_trained_anything_twice"]) == (5, 0)


def test_what_is_lost_is_seen(tmp_path):
    """Records that differ or lack, files that lie about, words that must not be said, epochs trained twice."""
    place = sweeps.Place(tmp_path)
    record = tmp_path / "board" / "v1" / "r.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"top1": 1.0, "seconds": 2.0}))
    want = {"v1/r.json": {"top1": 1.0}}
    assert sweeps.compared("it", place, want, 0, "a line") == []
    assert sweeps.compared("it", place, {"v1/r.json": {"top1": 2.0}, "v1/s.json": {}}, 1, "boom") \
        == ["it: exit code 1: boom", "it: other records: [\"v1/r.json: ['top1']\", 'v1/s.json: missing']"]
    (tmp_path / "store" / "ab" / ".half").mkdir(parents=True)
    assert sweeps.compared("it", place, want, 0, "its checkpoint cannot be used: x") == ["it left ['ab/.half']", "it said: cannot be used"]
    assert sweeps.repeated([("a", 0), ("a", 1), ("b", 0), ("a", 1), ("a", 2), ("b", 0)]) == (2, 1)
    assert sweeps.repeated([("a", 0), ("a", 1), ("a", 2), ("a", 0), ("a", 1), ("a", 2)]) == (3, 3) and sweeps.repeated([("a", 0), ("a", 1)]) == (0, 0)


def test_counts_of_sweeps_add_up():
    one = {"kills": 2, "killed": {"all": 2}, "tenths": [1, 1], "lost_at_most": 0, "records_each": 6, "wrong": []}
    more = {"kills": 3, "killed": {"all": 1, "worker": 2}, "tenths": [0, 3], "lost_at_most": 1}
    assert crash.added(one, more, ["x"]) \
        == {"kills": 5, "killed": {"all": 3, "worker": 2}, "tenths": [1, 4], "lost_at_most": 1, "records_each": 6, "wrong": ["x"]}
