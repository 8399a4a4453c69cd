from __future__ import annotations

import math
import os

import pytest
import yaml

from benchbase.errors import BenchError
from benchbase.values.bounded import MAX_DEPTH, MAX_NODES, MAX_YAML, inside, json_of, read_bytes, yaml_of

BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40))


def test_yaml_as_people_write_it():
    text = b"base: &base {lr: 0.1, seeds: [0, 1]}\nrun:\n  <<: *base\n  lr: 1e-4\nname: caf\xc3\xa9\nnothing: ~\nhex: 0x10\n"
    assert yaml_of(text) == {"base": {"lr": 0.1, "seeds": [0, 1]}, "run": {"lr": "1e-4", "seeds": [0, 1]}, "name": "café", "nothing": None, "hex": 16}


@pytest.mark.parametrize(("text", "why"), [
    (BOMB, "more than 20,000 things"), (MERGES, "more than 20,000 things"), ("a: &a [*a]", "stands for nothing"), ("a: *b", "stands for nothing"),
    ("!!python/object/apply:os.system ['true']", "tag"), ("!!int '3'", "tag"), ("!mine 3", "tag"), ("a: !!binary aGk=", "tag"),
    ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeply"), ("- " * 5000, "deeply"), ("[1," * 900, "deeply"), ("x: 1\n" * MAX_NODES, "more than"),
    ("9" * 5000, "digits"), ("0x" + "f" * 60, "digits"), ("[0b" + "1" * 200 + "]", "digits"), ("2001-99-99", "month"), ("2001-01-01 25:61:61", "hour")])
def test_yaml_that_is_too_much(text, why):
    with pytest.raises((ValueError, yaml.YAMLError), match=why):
        yaml_of(text.encode())


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\x00", b"a: [", b"? [a]\n: b", b"a\n---\nb", b"=", b'"\\ud800"'])
def test_what_is_no_yaml(raw):
    with pytest.raises((ValueError, yaml.YAMLError)):
        yaml_of(raw)


def test_json_that_is_fine():
    assert json_of('{"a": [1, 2.5, null, true, "x"], "b": {"c": -0.0}}') == {"a": [1, 2.5, None, True, "x"], "b": {"c": 0.0}}
    assert json_of("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "1e999", "9" * 41, "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "[" * 10**6, "{", "",
                                  '{"a":' * 50 + "1" + "}" * 50, b"\xff", b"\x00"])
def test_json_that_is_not(text):
    with pytest.raises(ValueError):
        json_of(text)


def test_json_with_numbers_that_are_not_finite_and_tables_of_ones_own():
    found = json_of('{"best": -Infinity, "last": NaN, "next": 1e999, "n": 3}', finite=False)
    assert found["best"] == -math.inf and math.isnan(found["last"]) and found["next"] == math.inf and found["n"] == 3
    assert json_of('{"a": 1, "a": {"b": 2}}', pairs=tuple) == (("a", 1), ("a", (("b", 2),)))
    for text in ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "[" * 10**6, "9" * 41, "{"):
        with pytest.raises(ValueError):
            json_of(text, finite=False)


def test_files_are_bounded_plain_and_where_they_are(tmp_path):
    (tmp_path / "in").mkdir()
    file, big, link, circle, pipe = (tmp_path / "in" / name for name in ("file", "big", "link", "circle", "pipe"))
    file.write_bytes(b"x" * 10)
    big.write_bytes(b"")
    os.truncate(big, 2**36)
    (tmp_path / "out").write_bytes(b"secret")
    link.symlink_to(tmp_path / "out")
    circle.symlink_to(circle)
    os.mkfifo(pipe)
    assert read_bytes(file, 10) == b"x" * 10 and read_bytes(link, 10) == b"secret"
    for path, limit, words in [(file, 9, "larger than 9"), (big, MAX_YAML, "larger"), (circle, 10, "cannot read"), (pipe, 10, "no plain file"),
                               (tmp_path, 10, "no plain file"), (tmp_path / "none", 10, "cannot read"), (tmp_path / "a\0b", 10, "cannot read"),
                               (tmp_path / ("x" * 300), 10, "cannot read")]:
        with pytest.raises(BenchError, match=words):
            read_bytes(path, limit)
    for path in (link, circle, tmp_path / "in" / ".." / "out", tmp_path / "in" / "a\0b"):
        with pytest.raises(BenchError, match="leaves its folder"):
            inside(path, tmp_path / "in")
    assert inside(file, tmp_path / "in") == file
