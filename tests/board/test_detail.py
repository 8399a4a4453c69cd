from __future__ import annotations

import shlex

import pytest
from factory import failure, record, sweep

from benchbase.board.detail import Cost, Layer
from benchbase.board.table import tables
from benchbase.values.budget import Budget
from benchbase.values.recipe import Recipe


def detail(records, failures=()):
    (table,) = tables(records, failures)
    return table.rows[0].detail


def test_the_command_asks_for_what_the_records_were_asked():
    """Read by the command line itself: every part of the key comes out as it stands in the record."""
    from benchbase.cli.app import cli
    from benchbase.cli.options import assigned
    from benchbase.plugin.names import parse_name
    from benchbase.values.budget import parse_budget
    from benchbase.values.recipe import recipe_of
    from benchbase.values.spec import parse_seeds

    budget = Budget(macs=0.75, name="macs=0.75")
    records = sweep({"finetune": [1, 2, 3], "scratch-b": [1, 2, 3]}, params={"images": 64, "refit": True, "name": "a b"}, budget=budget,
                    finetune=Recipe(epochs=3, lr=0.001, milestones=()))
    words = shlex.split(detail(records).command)
    assert words[:2] == ["bench", "run"]
    context = cli.commands["run"].make_context("run", words[2:])
    given = context.params
    assert parse_name(given["methods"][0]) == ("l1-norm", {"images": "64", "refit": "true", "name": "a b"})
    assert (given["models"], given["datasets"], given["protocols"]) == (("vgg-digits",), ("digits",), ("finetune", "scratch-b"))
    assert parse_budget(given["budgets"][0]) == budget and tuple(parse_seeds(given["seeds"])) == (0, 1, 2)
    said, tuned = assigned(given)
    assert recipe_of(said, Recipe(epochs=999, lr=9, momentum=0)) == Recipe(epochs=30, batch_size=64, lr=0.1)
    assert recipe_of(tuned, Recipe(epochs=999, lr=9)) == Recipe(epochs=3, lr=0.001, milestones=())


def test_layers_keep_what_seeds_keep_on_average_and_whole_ones_are_among_them():
    one = record(seed=0, width=16, kept={"conv1": [*range(15), 40], "layer10": [0, 1], "layer2": [3]})
    two = record(seed=1, width=10, kept={"conv1": list(range(10)), "layer10": [0, 1], "layer2": [3]})
    assert detail([one, two]).layers == (Layer("conv1", 13.0, 41), Layer("layer2", 1.0, 4), Layer("layer10", 2.0, 2))


def test_a_digest_of_kept_channels_leaves_the_widths():
    assert detail([record(kept="0" * 64)]).layers == (Layer("conv1", 16.0, 16),)


def test_costs_are_means_over_seeds_of_phases_that_cost_something():
    records = [record(seed=s, ledger__retrain={"epochs": 8, "images": 100, "macs": 10 * (s + 1), "seconds": s}) for s in (0, 1)]
    costs = detail(records).costs
    assert [c.phase for c in costs] == ["pretrain", "prune", "retrain"] and costs[2] == Cost("finetune", "retrain", 8, 100, pytest.approx(15), 0.5)


def test_the_lock_has_every_version_that_was_found():
    records = [record(seed=0, versions={"torch": "2.11", "benchbase": "0.1"}), record(seed=1, versions={"torch": "2.12"}, threads=2)]
    assert detail(records).lock == {"benchbase": ("0.1",), "device": ("cpu",), "memory format": ("channels_last",), "precision": ("fp32",),
                                    "threads": ("1", "2"), "torch": ("2.11", "2.12")}


def test_a_row_of_failures_alone_has_a_command_and_no_more():
    (table,) = tables([], [failure("not_applicable", protocol="", seed=4)])
    found = table.rows[0].detail
    assert "--seeds 4" in found.command and (found.key, found.layers, found.costs) == ("", (), ())
