from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess

import pytest
from factory import failure, judged, record, sweep

from benchbase.board.export import csv_text, latex_text
from benchbase.board.table import tables
from benchbase.values.budget import Budget
from benchbase.values.escape import LATEX

EVIL = "=cmd|' /C calc'!A0\x1b[31m & \\input{/etc/passwd} $x$ 50 % #1 _a_ ~^{}\n,\"q\""


def lines(records, failures=()):
    return list(csv.DictReader(io.StringIO(csv_text(tables(records, failures)))))


def test_a_line_a_row_with_its_numbers():
    first, second = lines([*judged(20), *sweep({"finetune": [1, 2]}, method="random")], ())
    assert (first["method"], first["verdict"], first["budget"], first["gap matched n"]) == ("l1-norm", "weights matter", "0.5", "5")
    assert float(first["gap matched mean"]) == pytest.approx(2000 / 898) and float(first["macs"]) == 500_000 and float(first["speedup"]) == 4
    assert float(second["finetune mean"]) == pytest.approx(150 / 898) and second["gap matched mean"] == "" and second["scratch-matched n"] == ""


def test_a_row_of_failures_has_no_numbers():
    (line,) = lines([], [failure("not_applicable", protocol="")])
    assert line["verdict"] == "no verdict" and line["params"] == line["speedup"] == ""


def test_texts_are_no_formulas_and_move_no_cursor():
    text = csv_text(tables(sweep({"finetune": [1]}, method="=1+1", params={"a": EVIL},
                                 budget=Budget(macs=0.5, name=EVIL.replace("\x1b", "").replace("\n", "")))))
    assert "\x1b" not in text
    (line,) = csv.DictReader(io.StringIO(text))
    assert line["method"].startswith("'=1+1") and line["budget"].startswith("'=cmd") and line["budget"].endswith(",\"q\"")
    assert all(not re.match(r"[=+@]|-[^\d]", value) for value in line.values())


def test_latex_has_a_tabular_a_table_with_as_many_cells_in_each_line():
    text = latex_text(tables([*judged(20), record(dataset="cifar10")]))
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 2 and "weights matter" in text and "$\\pm$" in text
    for body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        assert {line.count(" & ") + 1 for line in body[1].splitlines() if line.endswith("\\\\")} == {len(body[0])}


def test_latex_of_strangers_is_text():
    name = EVIL.replace("\x1b", "").replace("\n", "")
    text = latex_text(tables(sweep({"finetune": [1]}, method="[x]", model=name, budget=Budget(macs=0.5, name=name))))
    assert "\\input" not in text and "\\textbackslash{}input\\{" in text and "\n{}[x] & " in text and "50 \\%" in text and "\\$x\\$" in text


def test_latex_compiles(tmp_path):
    """With the one package that the first line names, and every character that has a spelling of its own in it."""
    if shutil.which("pdflatex") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no pdflatex: apt-get install texlive-latex-recommended")
    name = EVIL.replace("\x1b", "").replace("\n", "") + "".join(LATEX)
    body = latex_text(tables([*judged(20), *sweep({"finetune": [1]}, method="[x]", model=name, budget=Budget(macs=0.5, name=name))]))
    head = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}"
    (tmp_path / "a.tex").write_text(head + body + "\\end{document}")
    done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout[-2000:]
