"""Budgets like another method's: the same widths, other choices; the same counts, other places."""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchbase.errors import BenchError
from benchbase.flow.experiment import left_by
from benchbase.flow.run import plan_suite, run_suite
from benchbase.flow.store import Done
from benchbase.plugin.manager import load_plugins
from benchbase.values.budget import Budget
from benchbase.values.record import load_records
from benchbase_plugins.methods._blocks import Blocks
from benchbase_plugins.methods.sss import SSS


def rows_of(settings):
    return {(r.method.name, r.budget["name"], r.protocol, r.seed): r for r in load_records(settings.leaderboard)}


def test_controls_have_the_widths_that_the_method_decided(settings, tiny):
    suite = tiny(methods=("network-slimming", "random", "l1-norm", "uniform"), budgets=("network-slimming@0.5", "0.5"), protocols=("one-shot", "scratch-e"), seeds=(0, 1))
    here, plugins = settings(), load_plugins()
    planned = plan_suite(suite, here, plugins)
    assert planned.at_most and not planned.count("train")["cached"]
    done = run_suite(suite, here, plugins)
    assert done.exit_code == 0 and done.trained <= planned.count("train")["to_run"]
    rows = rows_of(here)
    for seed in (0, 1):
        theirs, like = rows["network-slimming", "0.5", "scratch-e", seed], "network-slimming@0.5"
        counts = {name: len(kept) for name, kept in theirs.kept.items()}
        assert len(set(counts.values())) > 2, "slimming left every layer alike: nothing is tested"
        for name in ("random", "l1-norm"):
            ours = rows[name, like, "scratch-e", seed]
            assert {n: len(kept) for n, kept in ours.kept.items()} == counts and ours.kept != theirs.kept
            assert ours.digests.architecture == theirs.digests.architecture and ours.digests.final == theirs.digests.final, "one scratch run for all"
            assert ours.digests.base == ours.digests.plain != theirs.digests.base and ours.sparse_base is None
            assert ours.budget == {"ratio": 0.5, "like": "network-slimming", "name": like}
        even = rows["uniform", like, "scratch-e", seed]
        assert abs(even.metrics.macs - theirs.metrics.macs) < 0.05 * even.unpruned.macs and even.digests.architecture != theirs.digests.architecture
    # a method that decides the widths itself cannot take them
    assert {(cell.split()[0], kind) for cell, kind, _ in done.failures} == {("network-slimming", "not_applicable")}
    again = plan_suite(suite, here, plugins)
    assert again.count("train")["to_run"] == again.count("prune")["to_run"] == 0


def test_masked_controls_have_the_counts(settings, tiny):
    suite = tiny(methods=("lamp", "layer-shuffled", "random-mask"), budgets=("lamp@0.8", "0.8"), protocols=("one-shot",))
    here = settings()
    done = run_suite(suite, here, load_plugins())
    rows = rows_of(here)
    theirs, shuffled, drawn = (rows[n, b, "one-shot", 0] for n, b in (("lamp", "0.8"), ("layer-shuffled", "lamp@0.8"), ("random-mask", "lamp@0.8")))
    assert theirs.metrics.macs_nonzero == shuffled.metrics.macs_nonzero != rows["layer-shuffled", "0.8", "one-shot", 0].metrics.macs_nonzero
    assert theirs.metrics.nonzero == shuffled.metrics.nonzero == drawn.metrics.nonzero and drawn.metrics.macs_nonzero != theirs.metrics.macs_nonzero
    assert theirs.digests.architecture != shuffled.digests.architecture
    assert [kind for _, kind, _ in done.failures] == ["not_applicable"], "lamp decides by itself"


def test_a_control_drops_as_many_blocks(settings, tiny):
    here, suite = settings(), tiny(methods=("random-blocks",), models=("resnet-digits",), budgets=("0.34", "random-blocks@0.34#7"), protocols=("one-shot",),
                                   family="point")
    assert run_suite(suite, here, load_plugins()).exit_code == 0
    found = load_records(here.leaderboard)
    assert [len(r.architecture.dropped) for r in found] == [3, 3], "floor(6 x 0.66) = 3 of six blocks stay"
    assert [r.family for r in found] == ["point", "point"], "as the suite declares"


@pytest.mark.parametrize("blocks", [1, 2, 3, 6, 7, 16, 49, 150])
def test_the_count_of_blocks_is_met_whatever_the_fraction(blocks):
    for gone in range(1, blocks + 1):
        pruned = Done("", "prune", "", {"report": {"blocks": {"dense": blocks, "pruned": blocks - gone}}, "kept": {}}, Path(), 0.0)
        other = SimpleNamespace(pruned=pruned, cell=SimpleNamespace(method=SSS()))
        assert left_by(other, Budget(ratio=0.5, like="sss")).keep(Blocks(blocks)) == blocks - gone


def test_one_seeds_widths_for_all(settings, tiny):
    """Gate 18: architecture 0 with fresh seeds beside each seed's own architecture."""
    here, protocols = settings(), ("scratch-e",)
    parts = (tiny(methods=("network-slimming",), budgets=("0.5",), protocols=protocols, seeds=(0, 1)),
             tiny(methods=("random",), budgets=("network-slimming@0.5#0",), protocols=protocols, seeds=(0, 1)))
    assert run_suite(tiny(parts=parts), here, load_plugins()).exit_code == 0
    rows = rows_of(here)
    own = [rows["network-slimming", "0.5", "scratch-e", seed].digests for seed in (0, 1)]
    first = [rows["random", "network-slimming@0.5#0", "scratch-e", seed].digests for seed in (0, 1)]
    assert own[0].architecture != own[1].architecture and {d.architecture for d in first} == {own[0].architecture}
    assert first[0].final == own[0].final and len({d.final for d in (*own, *first)}) == 3, "seed 0 is one run, seed 1 has two networks"
    assert [d.plain for d in first] == [d.plain for d in own], "the base of each seed stays its control"


def test_channels_say_nothing_to_weights_nor_blocks_to_channels(settings, tiny):
    suite = tiny(methods=("random", "layer-shuffled", "sss"), models=("resnet-digits",), budgets=("magnitude@0.5", "network-slimming@0.5", "sss@0.5"),
                 protocols=("one-shot",))
    planned = plan_suite(suite, settings(), load_plugins())
    refused = {cell.partition(" synthetic")[0]: reason for cell, reason in planned.refused}
    assert {(r.split()[0], r.split()[1]) for r in refused} == {
        ("random", "magnitude@0.5"), ("random", "sss@0.5"), ("layer-shuffled", "network-slimming@0.5"), ("layer-shuffled", "sss@0.5"),
        ("sss", "magnitude@0.5"), ("sss", "network-slimming@0.5")}
    assert all("chooses" in reason for reason in refused.values())


@pytest.mark.parametrize(("budget", "says"), [("no-such@0.5", "no-such"), ("network-slimming@1.5", "out of range"), ("network-slimming@", "budget"),
                                              ("network-slimming[penalty=x]@0.5", "penalty"), ({"widths": {"a": 1}, "like": "magnitude"}, "like")])
def test_wrong_ones_are_refused_before_anything_runs(settings, tiny, budget, says):
    with pytest.raises(BenchError, match=says) as refused:
        plan_suite(tiny(budgets=(budget,)), settings(), load_plugins())
    assert refused.value.kind == "usage"


def test_outside_a_sweep_there_is_nobody_to_ask():
    import torch

    from benchbase import build_model, prune

    with pytest.raises(BenchError, match="network-slimming leaves"):
        prune(build_model("vgg-digits", dataset="digits"), "l1-norm", "network-slimming@0.5", example=torch.zeros(2, 1, 8, 8))
