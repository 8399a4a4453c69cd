from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.values.digest import digest
from benchbase.values.recipe import Recipe, recipe_of


def test_the_papers_defaults():
    r = Recipe()
    assert (r.epochs, r.batch_size, r.lr, r.momentum, r.weight_decay, r.milestones, r.gamma) == (160, 64, 0.1, 0.9, 1e-4, (0.5, 0.75), 0.1)


def test_multistep_drops_at_its_milestones():
    r = Recipe(lr=0.1)
    assert [r.lr_at(e / 160) for e in (0, 79, 80, 119, 120, 159)] == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    assert {Recipe(milestones=()).lr_at(p / 10) for p in range(10)} == {0.1}


def test_cosine_and_onecycle():
    cosine = Recipe(lr=0.2, schedule="cosine")
    assert [cosine.lr_at(p) for p in (0, 0.5, 0.75)] == pytest.approx([0.2, 0.1, 0.2 * 0.5 * (1 + math.cos(0.75 * math.pi))])
    cycle = Recipe(lr=0.2, schedule="onecycle", warmup=0.25)
    assert [cycle.lr_at(p) for p in (0, 0.125, 0.25, 0.625)] == pytest.approx([0.0002, 0.1, 0.2, 0.1])


@given(st.sampled_from(["multistep", "cosine", "onecycle"]), st.floats(0, 0.9), st.floats(0, 0.999))
def test_the_rate_never_exceeds_the_peak(schedule, warmup, progress):
    rate = Recipe(schedule=schedule, warmup=warmup, lr=0.3).lr_at(progress)
    assert 0 <= rate <= 0.3 * (1 + 1e-12)


# the authors' Scratch-B epochs at 160 for the base (rethinking-network-pruning, cifar/l1-norm-pruning)
@pytest.mark.parametrize(("ratio", "epochs"), [(1.5190, 243), (1.1157, 178), (1.3791, 220), (1.1883, 190), (1.6273, 260)])
def test_scaled_is_the_authors_rule(ratio, epochs):
    assert Recipe().scaled(ratio).epochs == epochs and replace(Recipe().scaled(ratio), epochs=160) == Recipe()


def test_scaled_never_loses_all_epochs_but_keeps_none():
    assert Recipe(epochs=3).scaled(0.1).epochs == 1 and Recipe(epochs=0).scaled(5).epochs == 0


def test_texts_of_flags_and_yaml_are_read_by_the_field():
    made = recipe_of({"epochs": "20", "lr": "1e-2", "nesterov": "True", "milestones": "0.3/0.6", "weight_decay": "5e-4", "decay_norms": False})
    assert made == Recipe(epochs=20, lr=0.01, nesterov=True, milestones=(0.3, 0.6), weight_decay=5e-4, decay_norms=False)
    assert recipe_of({"milestones": ""}).milestones == () and recipe_of({"milestones": [0.5]}).milestones == (0.5,)
    assert recipe_of({"epochs": 20.0}).epochs == 20 and recipe_of({"lr": 1}).lr == 1.0
    assert recipe_of({"lr": 0.3}, Recipe(epochs=9)) == Recipe(epochs=9, lr=0.3)


def test_however_it_is_written_its_identity_is_one():
    assert digest(recipe_of({"lr": "0.1", "milestones": [0.5, 0.75], "epochs": 160.0})) == digest(Recipe())
    assert digest(Recipe(lr=1)) == digest(Recipe(lr=1.0))


@given(st.builds(Recipe, epochs=st.integers(0, 10_000), batch_size=st.integers(1, 4096), lr=st.floats(0, 10), momentum=st.floats(0.1, 0.99),
                 weight_decay=st.floats(0, 1), nesterov=st.booleans(), warmup=st.floats(0, 0.99), decay_norms=st.booleans()))
def test_round_trip_through_its_fields(recipe):
    assert recipe_of({f.name: getattr(recipe, f.name) for f in fields(recipe)}) == recipe


@pytest.mark.parametrize(("field", "value"), [
    ("epochs", float("inf")), ("epochs", 10**400), ("lr", 10**400), ("milestones", [10**400]), ("epochs", float("nan")),
    ("epochs", -1), ("epochs", 100_001), ("epochs", 1.5), ("epochs", "many"), ("epochs", None), ("batch_size", 0), ("lr", -0.1), ("lr", "nan"),
    ("lr", math.inf), ("momentum", "x"), ("weight_decay", -1e-9), ("gamma", math.nan), ("warmup", 1), ("warmup", -0.1), ("label_smoothing", 1.0),
    ("schedule", "cosin"), ("milestones", [0]), ("milestones", [0.7, 0.3]), ("milestones", [1.1]), ("milestones", ["half"]), ("nesterov", "maybe"),
    ("decay_norms", 2)])
def test_out_of_range(field, value):
    with pytest.raises(BenchError, match=field) as error:
        recipe_of({field: value})
    assert error.value.todo and error.value.kind == "usage"


def test_unknown_fields_and_contradictions():
    with pytest.raises(BenchError, match="'learning_rate'"):
        recipe_of({"learning_rate": 0.1})
    with pytest.raises(BenchError, match="nesterov"):
        Recipe(nesterov=True, momentum=0)
