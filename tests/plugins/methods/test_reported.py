"""The numbers of the paper: which there are, and that each says where it can be read."""
from __future__ import annotations

import pytest

from benchbase.plugin.manager import load_plugins
from benchbase_plugins.methods._reported import SOURCED, Reported, rows

COUNTS = {"l1-norm": 7, "thinet": 6, "regression": 2, "network-slimming": 1, "sss": 3, "magnitude": 4}
PROTOCOLS = {"unpruned", "finetune", "scratch-e", "scratch-b"}


def test_all_rows_and_drops_are_there():
    assert {method: len(found) for method, found in rows().items()} == COUNTS and sum(COUNTS.values()) == 23
    drops = {row["target"]: row["drop"]["scratch-b"] for found in rows().values() for row in found if "drop" in row}
    assert drops == {"ThiNet-70": -1.01, "ThiNet-50": -2.23, "ThiNet-30": -4.56, "VGG-Conv": 0.21, "ResNet-50-2x": -1.07, "VGG-5x": -0.51}


@pytest.mark.parametrize("method", COUNTS)
def test_every_number_has_a_source_and_none_is_empty(method):
    for row in rows()[method]:
        known = {"dataset", "model", "target", "source", "note", "top5", "epochs", *SOURCED, *PROTOCOLS}
        assert set(row) <= known and {"dataset", "model", "target"} <= set(row)
        for part in (row, *(row[key] for key in SOURCED if key in row)):
            assert isinstance(part["source"], str) and len(part["source"]) > 20  # its words, not a name for them
        accuracies = [row[p] for p in PROTOCOLS & set(row)]
        assert accuracies and set(row.get("top5", {})) <= PROTOCOLS
        for value in (*accuracies, *row.get("top5", {}).values(), row.get("drop", {}).get("unpruned", 50)):
            value = value["mean"] if isinstance(value, dict) else value
            assert isinstance(value, (int, float)) and 50 < value + 0.1 < 100
        assert all(0 < row[p]["std"] < 1 and row["dataset"] == "CIFAR-10" for p in PROTOCOLS & set(row) if isinstance(row[p], dict))


def test_the_file_is_not_read_to_list_methods(python):
    """Every completion of a method's name would wait for it."""
    done = python("-c", "import sys; from benchbase.plugin.manager import load_plugins; from benchbase_plugins.methods import _reported\n"
                  "load_plugins(['benchbase']).offers('methods'); sys.exit(_reported.rows.cache_info().misses)")
    assert done.returncode == 0, done.stderr


def test_methods_have_theirs():
    offered = {offer.name: offer.value for offer in load_plugins(["benchbase"]).offers("methods")}
    for method in COUNTS.keys() & offered.keys():
        assert offered[method].reported == tuple(rows()[method]), f"{method}: write reported = Reported({method!r})"
    assert {"l1-norm", "network-slimming"} <= offered.keys()


def test_a_method_that_the_paper_does_not_have():
    class Mine:
        reported = Reported("mine")
    with pytest.raises(KeyError):
        Mine.reported  # noqa: B018
