"""Identities: they may not change, so some of them stand here as numbers."""
from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.values.architecture import Architecture
from benchbase.values.budget import Budget
from benchbase.values.cost import Cost
from benchbase.values.digest import canonical, digest, seed_of, to_json
from benchbase.values.recipe import Recipe

ROOT = Path(__file__).parents[2]
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(st.none() | st.booleans() | st.integers(-10**20, 10**20) | FLOATS | st.text(max_size=8),
                     lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=12)


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0
    note: str = ""
    where: str = field(default="", metadata={"identity": False})


@pytest.mark.parametrize(("value", "expected"), [
    (Recipe(), "0baa9558240481a6dbe3e2d9cad7e4957039f20a14b1ccc09b95d31005c8d5d4"),
    (Budget(ratio=0.5), "d63e552e93b8095b04ceba39f918fcb51525d4df813452b829d1fe911059d1fb"),
    (Budget(ratios={"layer1.*": 0.6}, scope="inner"), "47f6ed50464d73b7a4caef3be9aac145d42ab2fecf19f22f602f5150add3aa13"),
    (Architecture("vgg-digits", 10, (1, 8, 8)), "e8c1b53d547eecef475a561225f6171dd113e9b18576737f04bf2837343855c3"),
    (Architecture("vgg-digits", 10, (1, 8, 8), shapes={"conv.weight": (16, 1, 3, 3)}, dropped=("layer1.0",)),
     "14b2bd12b5c0490cd97292915dabfd9416fd5ea850c744b37e9dd841ab970367"),
    (Cost(1, 2, 3, 4), "51bac4bf21803ab4a34cdfe375f0a5760420e29814e0a799fe25632a4414b885"),
    (["train", 1, {"seed": 0}], "1a588f4b4889e9cfb6a8ff7f9e02ec324b94d37a7b61480cfa5578974a31a711"),
])
def test_golden(value, expected):
    """A change here orphans every store and every record's key: don't, or raise the protocol version."""
    assert digest(value) == expected


def pythons() -> list[str]:
    """Those of this machine that start, this one first."""
    found = [shutil.which(f"python3.{minor}") for minor in range(10, 16)]
    return [sys.executable, *(p for p in found if p and subprocess.run([p, "-c", ""], capture_output=True, check=False).returncode == 0)]


CODE = """
from benchbase.values.budget import Budget
from benchbase.values.digest import digest, seed_of
groups = [f"layer{i}.{j}" for i in range(9) for j in "ab"]
there = {name: n + 1 for n, name in enumerate(groups)}
back = {name: there[name] for name in sorted(set(groups), key=hash)}
print(digest(Budget(widths=there)), digest(Budget(widths=back)), seed_of("a", 1, back))
"""


@pytest.mark.parametrize("python", pythons())
@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_other_processes_pythons_and_orders_come_to_the_same(python, seed):
    """Keys are made on one machine and looked up on another. Of Python versions those that are installed here."""
    widths = {f"layer{i}.{j}": 2 * i + n + 1 for i in range(9) for n, j in enumerate("ab")}
    said = subprocess.run([python, "-c", CODE], capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)})
    assert said.stdout.split() == [digest(Budget(widths=widths))] * 2 + [str(seed_of("a", 1, widths))]


def test_golden_seed():
    assert seed_of(0, "order", "digits", 3) == 9023823414932370107 and 0 <= seed_of("x") < 2**63


def test_digest_is_sha256_of_canonical_json():
    value = {"b": [1, 2.5, None], "a": "é"}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert to_json(value) == text and digest(value) == hashlib.sha256(text.encode()).hexdigest()


@given(PLAIN)
def test_canonical_is_json_and_stays_as_it_is(value):
    once = canonical(value)
    assert canonical(once) == once and json.loads(to_json(value)) == once


@given(st.dictionaries(st.text(max_size=5), PLAIN, min_size=2, max_size=5))
def test_order_of_keys_plays_no_part(table):
    assert digest(table) == digest(dict(reversed(table.items())))


@given(PLAIN, PLAIN)
def test_equal_digests_mean_equal_values(one, two):
    assert (digest(one) == digest(two)) == (to_json(one) == to_json(two))


def test_a_dataclass_is_its_name_and_what_is_said():
    assert canonical(Point(1)) == {"_": "Point", "x": 1, "y": 0.0, "note": ""}
    assert canonical(Point(1, where="/home/ada")) == canonical(Point(1)) != canonical(Point(2))
    later: Any = make_dataclass("Point", [("x", int), ("y", float, 0.0), ("note", str, ""), ("more", tuple, ()),
                                          ("table", dict, field(default_factory=dict)), ("maybe", object, None)])
    assert digest(later(1)) == digest(Point(1)) != digest(later(1, more=(2,)))


def test_kinds_of_numbers():
    assert canonical(Decimal("0.10")) == "0.10" and canonical((1, [2])) == [1, [2]]
    assert digest(1) != digest(1.0) != digest(True) and digest(0.1 + 0.2) != digest(0.3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {"a": [-float("inf")]}])
def test_nan_has_no_digest(bad):
    with pytest.raises(ValueError, match="no place"):
        digest(bad)


@pytest.mark.parametrize("bad", [{1, 2}, b"bytes", object(), print, Point])
def test_what_json_cannot_hold_has_no_digest(bad):
    with pytest.raises(TypeError, match="canonical"):
        digest({"a": bad})


@given(st.integers(0, 2**62), st.text(max_size=8), st.text(max_size=8))
def test_streams_differ_by_each_part_of_their_context(seed, one, two):
    assert 0 <= seed_of(seed, one) < 2**63
    assert (seed_of(seed, one) == seed_of(seed, two)) == (one == two)
    assert seed_of(seed, one) != seed_of(seed + 1, one) and seed_of(seed, one, two) != seed_of(seed, one + two)
