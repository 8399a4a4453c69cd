"""Planted faults, one a plugin: the check for it finds it, says what to change, and no other check finds anything."""
from __future__ import annotations


import pytest

from benchbase.conformance import walk

METHODS = {
    "no-paper": {"metadata": "names no paper"}, "My_Method": {"name": "not of small letters"}, "no-docs": {"docs": "no docstring"},
    "silent-parameter": {"docs": "what strength is"}, "hidden-parameter": {"parameters": "strength is no part of its identity"},
    "untyped-parameter": {"parameters": "table cannot be set as text"}, "wrong-type": {"parameters": "images cannot be set as text"},
    "remembers": {"identity": "it holds seen beside its fields"},
    "wrong-granularity": {"metadata": "granularity 'channel' and chooses weights", "exact-budget": "removes 50% where 30%"},
    "raises": {"select": "AttributeError"}, "tunes-unsaid": {"applies": "trains between its choices"}, "unsorted": {"selection": "not ascending"},
    "rounds": {"exact-budget": "it keeps 5 of 8 channels of features.0.0, the budget says 4"}, "too-little": {"exact-budget": "where 50% were asked for"},
    "counts": {"deterministic": "run again with the same seed"}, "edits-images": {"copy-only": "changed the images"},
    "reads-test": {"no-test-data": "read the test split"}, "draws-globally": {"random-state": "torch's global generator"},
    "leaves-train-mode": {"modes": "in train mode"}, "leaves-hooks": {"hooks": "left hooks"}, "slices": {"shapes": "changed the shape"},
    "leaves-nan": {"finite": "nan or infinity"}}
CALLBACKS = {
    "loose": {"callback-value": "no frozen dataclass"}, "hooked": {"callback-plain": "its callback left hooks"},
    "forgetful": {"callback-resumes": "ends in other weights"}, "unplain": {"callback-resumes": "no checkpoint can"}}
MODELS = {
    "colour-only": {"builds": "7 classes and 1 channels"}, "thousand": {"builds": "(2, 1000)"}, "stored": {"fresh-weights": "whatever the seed"},
    "numpys": {"fresh-weights": "drawn from numpy", "rebuilds": "1 of its weights"}, "batchwise": {"each-image-alone": "depend on the rest of the batch"},
    "pinned": {"prunable": "none of its channels"}, "by-hand": {"rebuilds": "2 of its weights"}, "no-docs": {"docs": "no docstring"}}
OTHERS = {
    "one-split": {"splits-apart": "40 of 40 test images"}, "unseeded": {"repeatable": "opened twice"}, "narrow": {"tensors": "int32 labels"},
    "empty-class": {"classes": "class 2 of 3"}, "shakes": {"augment": "torch's global generator", "repeatable": "opened twice"},
    "recipeless": {"recipes": "its recipe is"},
    "infinite": {"finite-number": "nan"}, "switches": {"untouched": "train mode"}, "erases": {"untouched": "changed the weights"},
    "wanders": {"repeatable": "and then"}, "divides": {"recipe": "ZeroDivisionError"}, "wordless": {"formula": "in words"}}
ALL = [(file, name, said) for file, table in (("methods", METHODS), ("callbacks", CALLBACKS), ("models", MODELS), ("others", OTHERS))
       for name, said in table.items()]


@pytest.mark.parametrize(("file", "name", "said"), ALL, ids=[name for _, name, _ in ALL])
def test_the_fault_is_found_and_nothing_else(faulty, file, name, said, tmp_path):
    cases = [c for c in walk.cases(faulty(file), [file], tmp_path) if c.subject.split()[-1] == name]
    found = [f for c in cases for f in walk.run(c).findings]
    assert {f.check for f in found} == set(said), found
    for f in found:
        assert said[f.check] in f.what and f.todo and f.link == f"plugins/README.md#{f.check}"


def test_every_fault_is_listed(faulty):
    offers = {o.name for file in ("methods", "callbacks", "models", "others") for kind in walk.CHECKED for o in faulty(file).offers(kind)}
    assert offers == {name for _, name, _ in ALL}
