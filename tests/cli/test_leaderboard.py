from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import bench


@pytest.fixture
def board(ran, here):
    shutil.copytree(ran.root / "kept" / "board", "leaderboard")
    return Path("leaderboard")


def test_build_writes_beside_the_records(board):
    said = bench("leaderboard", "build")
    assert (said.code, said.err) == (0, "") and "leaderboard/v1/README.md" in said.out.splitlines()
    text = (board / "v1" / "README.md").read_text()
    assert "## synthetic · vgg-digits" in text and "| l1-norm |" in text.replace("[l1-norm](records/synthetic/vgg-digits/l1-norm)", "l1-norm")
    written = json.loads(bench("leaderboard", "build", str(board), "--json").out)["written"]
    assert all(Path(p).is_file() for p in written) and (board / "v1" / "README.md").read_text() == text


def test_show_prints_what_run_printed(board):
    said = bench("leaderboard", "show")
    assert (said.code, said.err) == (0, "") and said.out.startswith("synthetic · vgg-digits") and "l1-norm" in said.out
    document = json.loads(bench("leaderboard", "show", "leaderboard/v1", "--json").out)
    assert document["tables"] and {row["method"]["name"] for table in document["tables"] for row in table["rows"]} == {"l1-norm"}


@pytest.mark.parametrize("verb", ["build", "show"])
def test_no_leaderboard(here, verb):
    said = bench("leaderboard", verb, "nowhere")
    assert (said.code, said.out, len(said.lines)) == (2, "", 2) and "nowhere" in said.lines[0] and list(here.iterdir()) == []


@pytest.mark.parametrize("verb", ["build", "show"])
def test_a_record_that_was_cut_off_is_named(board, verb):
    file = sorted(board.rglob("*.json"))[0]
    file.write_text(file.read_text()[:200])
    said = bench("leaderboard", verb)
    assert (said.code, len(said.lines)) == (2, 2) and file.name in said.lines[0] and not (board / "v1" / "README.md").exists()


def test_its_own_help_and_verbs():
    assert "build" in bench("leaderboard", "--help").out and bench("leaderboard", "biuld").code == 2 and len(bench("leaderboard", "biuld").lines) == 2
    assert "DIR" in bench("leaderboard", "build", "--help").out and "DIR" in bench("leaderboard", "show", "--help").out


def test_a_page_stands_beside_the_tables(board):
    assert "leaderboard/v1/index.html" in bench("leaderboard", "build").out.splitlines()
    page = (board / "v1" / "index.html").read_text()
    assert '"method":"l1-norm"' in page and "@inproceedings{l1-norm," in page


@pytest.mark.parametrize("form, start", [("text", "synthetic · vgg-digits"), ("csv", "dataset,model,method"), ("latex", "% needs"), ("svg", "<svg"), ("json", "{")])
def test_exports_to_stdout_and_to_files(board, form, start):
    said = bench("leaderboard", "show", "--format", form)
    assert (said.code, said.err) == (0, "") and said.out.startswith(start)
    name = f"x.{ {'latex': 'tex', 'text': 'txt'}.get(form, form)}"
    assert bench("leaderboard", "show", "--out", name).out.strip() == name
    assert Path(name).read_text().strip() == said.out.strip()


def test_a_picture_goes_into_a_file(board):
    said = bench("leaderboard", "show", "--format", "png")
    assert said.code == 2 and len(said.lines) == 2 and said.out == ""
    assert bench("leaderboard", "show", "--out", "x.png").code == 0 and Path("x.png").read_bytes().startswith(b"\x89PNG")


def test_a_selection(board):
    assert bench("leaderboard", "show", "--method", "l1*", "--budget", "*", "--verdict", "no verdict", "--format", "csv").out.count("\n") >= 2
    said = bench("leaderboard", "show", "--method", "thinnet")
    assert said.code == 2 and "unknown method 'thinnet'" in said.lines[0] and len(said.lines) == 2


@pytest.mark.parametrize("words", [("--format", "pdf"), ("--json", "--format", "csv"), ("--out", "nowhere/x.csv"), ("--out", ".")])
def test_what_cannot_be_written(board, words):
    assert bench("leaderboard", "show", *words).code == 2
