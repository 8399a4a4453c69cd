"""Protocols are values; the paper's, as data."""
from __future__ import annotations

from dataclasses import replace

import pytest

from benchbase.errors import BenchError
from benchbase.values.cost import Cost
from benchbase.values.protocol import STARTS, Metric, Protocol
from benchbase.values.recipe import Recipe
from benchbase_plugins.protocols.paper import bench_protocols

BASE, TUNE = Recipe(epochs=160), Recipe(epochs=40, lr=0.001, milestones=())
DENSE, SMALL = Cost(100, 6279, 100, 6279), Cost(50, 4134, 50, 4134)
OURS = {p.name: p for p in bench_protocols()}


def test_where_each_starts_and_how_long_it_trains():
    said = {name: (p.start, p.recipe(BASE, TUNE, DENSE, SMALL).epochs) for name, p in OURS.items()}
    assert said == {"one-shot": ("inherited", 0), "finetune": ("inherited", 40), "finetune-matched": ("inherited", 160), "scratch-e": ("fresh", 160),
                    "scratch-b": ("fresh", 243), "scratch-b-cap2": ("fresh", 243),
                    "scratch-matched": ("fresh", 403), "unpruned-long": ("unpruned", 403),
                    "rewind": ("rewound", 160), "rewind-early": ("rewound", 160)}
    assert {p.start for p in OURS.values()} == set(STARTS)


def test_how_far_back_weights_are_rewound():
    assert {name: p.since(BASE) for name, p in OURS.items() if p.since(BASE)} == {"rewind-early": 5}
    assert [OURS["rewind-early"].since(replace(BASE, epochs=n)) for n in (1, 4, 47, 48, 200)] == [1, 1, 1, 2, 6]
    assert replace(OURS["finetune"], rewound_to=0.5).since(BASE) == 0


def test_only_finetune_has_another_recipe_than_the_base():
    for name, protocol in OURS.items():
        recipe = protocol.recipe(BASE, TUNE, DENSE, SMALL)
        assert recipe == TUNE if name == "finetune" else replace(recipe, epochs=160) == BASE


def test_the_cap_and_what_counts_as_compute():
    deep = Cost(10, 1000, 10, 1000)
    assert OURS["scratch-b-cap2"].recipe(BASE, TUNE, DENSE, deep).epochs == 320 and OURS["scratch-b-cap2"].cap == 2
    assert OURS["scratch-b"].recipe(BASE, TUNE, DENSE, deep).epochs == int(160 * 6.279)
    masked = Cost(100, 6279, 50, 3139)  # the same network with half of its weights masked
    assert OURS["scratch-b"].recipe(BASE, TUNE, DENSE, masked).epochs == 320


def test_flags():
    assert [n for n, p in OURS.items() if p.recalibrates] == ["one-shot"] and [n for n, p in OURS.items() if p.charges_pruning] == ["scratch-matched"]
    assert all(p.formula for p in OURS.values()) and not Protocol("mine", "fresh", lambda *a: BASE).formula


def test_a_metric_must_measure():
    with pytest.raises(NotImplementedError):
        Metric().measure(None, None)


def test_epochs_can_be_pinned():
    made = OURS["scratch-b-cap2"].pinned({"epochs": "117"})
    assert (made.name, made.start, made.cap, made.charges_pruning) == ("scratch-b-cap2[epochs=117]", "fresh", None, False) and "117" in made.formula
    assert made.recipe(BASE, TUNE, DENSE, SMALL) == replace(BASE, epochs=117)
    assert OURS["scratch-matched"].pinned({"epochs": "3"}).charges_pruning is False


@pytest.mark.parametrize(("name", "params", "named"), [
    ("scratch-b", {"epoch": "3"}, "'epoch'"), ("scratch-b", {"epochs": "0"}, "no count"), ("scratch-b", {"epochs": "-1"}, "no count"),
    ("scratch-b", {"epochs": "1e2"}, "no count"), ("scratch-b", {"epochs": "100001"}, "no count"), ("finetune", {"epochs": "3"}, "cannot be pinned"),
    ("rewind", {"epochs": "3"}, "cannot be pinned")])
def test_what_cannot_be_pinned(name, params, named):
    with pytest.raises(BenchError, match=named) as error:
        OURS[name].pinned(params)
    assert error.value.kind == "usage" and error.value.todo
