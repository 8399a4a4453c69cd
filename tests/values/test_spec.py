from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.errors import BenchError
from benchbase.values.spec import Suite, parse_seeds, read_suite, read_yaml, suite_of


@pytest.mark.parametrize(("said", "seeds"), [("0-4", (0, 1, 2, 3, 4)), ("3", (3,)), (7, (7,)), ("0,2,5", (0, 2, 5)), ("2, 0-1", (0, 1, 2)),
                                             ([0, 1], (0, 1)), (["0-1", 5], (0, 1, 5)), ("1,1", (1,))])
def test_seeds(said, seeds):
    assert parse_seeds(said) == seeds


@pytest.mark.parametrize("said", ["a-b", "", "-1", "3-1", "0-", "0-1000", "1.5", [], None, True, "1;2", "9999999999"])
def test_seeds_that_are_none(said):
    with pytest.raises(BenchError, match="seeds"):
        parse_seeds(said)


@given(st.sets(st.integers(0, 10**6), min_size=1, max_size=20))
def test_seeds_round_trip(seeds):
    assert parse_seeds(",".join(map(str, seeds))) == tuple(sorted(seeds)) == parse_seeds(list(seeds))


def test_a_suite_alone_is_what_bench_run_does():
    s = Suite()
    assert (s.models, s.datasets, s.budgets, s.seeds) == (("vgg-digits",), ("digits",), ("0.5",), (0, 1, 2))
    assert s.protocols == ("one-shot", "finetune", "scratch-e", "scratch-b")


def test_one_value_is_a_list_of_one():
    made = suite_of({"methods": "thinet", "budgets": 0.5, "seeds": "0-1", "recipe": {"epochs": 3}}, name="mine")
    assert made == Suite(methods=("thinet",), budgets=("0.5",), seeds=(0, 1), recipe={"epochs": 3}, name="mine")
    assert suite_of({"budgets": [{"macs": 0.5}, "0.3"]}).budgets == ({"macs": 0.5}, "0.3")


def test_flags_replace_what_they_say():
    assert Suite(methods=("a",)).with_(methods=("b",), models=(), seeds=None, recipe={}) == Suite(methods=("b",))


@pytest.mark.parametrize(("data", "named"), [([], "table"), (None, "table"), ({"method": "a"}, "'method'"), ({"methods": []}, "methods"),
                                             ({"methods": [["a"]]}, "methods"), ({"methods": True}, "methods"), ({"recipe": 3}, "recipe"),
                                             ({"seeds": "a-b"}, "seeds"), ({"models": None}, "models")])
def test_what_is_wrong_is_named(data, named):
    with pytest.raises(BenchError, match=named) as error:
        suite_of(data)
    assert error.value.kind == "usage" and error.value.todo


def test_files_extend_others(tmp_path):
    (tmp_path / "base.yaml").write_text("methods: [l1-norm]\nseeds: 0-2\nrecipe: {epochs: 160, lr: 0.1}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nmethods: [thinet]\nrecipe: {epochs: 3}\n")
    made = read_suite(tmp_path / "mine.yaml")
    assert made == Suite(methods=("thinet",), seeds=(0, 1, 2), recipe={"epochs": 3, "lr": 0.1}, name="mine")


def test_a_part_has_what_the_suite_says_and_it_does_not():
    made = suite_of({"methods": ["l1-norm", "random"], "seeds": "0-1", "recipe": {"epochs": 9, "lr": 0.2},
                     "parts": [{"budgets": [0.3, 0.5]}, {"methods": "magnitude", "recipe": {"epochs": 3}, "seeds": 4}]}, name="mine")
    first, second = made.products
    assert (first.methods, first.budgets, first.seeds, first.recipe) == (("l1-norm", "random"), ("0.3", "0.5"), (0, 1), {"epochs": 9, "lr": 0.2})
    assert (second.methods, second.budgets, second.seeds, second.recipe) == (("magnitude",), ("0.5",), (4,), {"epochs": 3, "lr": 0.2})
    assert {first.name, second.name, made.name} == {"mine"} and first.parts == second.parts == ()
    assert suite_of({"methods": "thinet"}).products == (suite_of({"methods": "thinet"}),)


def test_a_file_changes_the_parts_of_the_one_it_extends(tmp_path):
    (tmp_path / "base.yaml").write_text("seeds: 0-2\nrecipe: {lr: 0.1}\nparts:\n"
                                        "  - {methods: [thinet], recipe: {epochs: 4}}\n  - {methods: [random], seeds: 7}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nseeds: 5\nrecipe: {lr: 0.3}\n")
    made = read_suite(tmp_path / "mine.yaml")
    assert [(part.methods, part.seeds, part.recipe) for part in made.products] == [(("thinet",), (5,), {"lr": 0.3, "epochs": 4}),
                                                                                 (("random",), (7,), {"lr": 0.3})]


@pytest.mark.parametrize(("parts", "named"), [([], "parts is empty"), (["thinet"], "'thinet'"), ({"method": "a"}, "'method'"),
                                              ([{"parts": [{"methods": "a"}]}], "no parts"), ([{"name": "a"}], "no name"),
                                              ([{"methods": []}], "methods")])
def test_parts_that_are_wrong(parts, named):
    with pytest.raises(BenchError, match=named) as error:
        suite_of({"parts": parts})
    assert error.value.kind == "usage" and error.value.todo


@pytest.mark.parametrize("text", ["extends: self.yaml\n", "extends: ../other.yaml\n", "extends: missing.yaml\n", "extends: /etc/passwd\n"])
def test_what_a_file_may_not_extend(tmp_path, text):
    (tmp_path / "self.yaml").write_text(text)
    with pytest.raises(BenchError):
        read_suite(tmp_path / "self.yaml")


def test_circles_are_seen(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(BenchError, match="circle|extends"):
        read_suite(tmp_path / "a.yaml")


@pytest.mark.parametrize("content", [b"methods: [", b"\xff\xfe", b"a: !!python/object/apply:os.system ['true']\n", b"- : -\n  x", b"[" * 5000])
def test_files_that_are_no_yaml(tmp_path, content):
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(BenchError, match="bad.yaml") as error:
        read_suite(tmp_path / "bad.yaml")
    assert "\n" not in error.value.what


def test_a_folder_a_missing_and_a_huge_file(tmp_path):
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_000_001)
    for path in (tmp_path, tmp_path / "none.yaml", tmp_path / "huge.yaml"):
        with pytest.raises(BenchError):
            read_yaml(path)
