from __future__ import annotations

import csv as csv_files
import html as html_library
import io
import json
import re
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchbase.values import escape as safe

EVIL = ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b2J", "a\rb", "a\nb", "\u202eabc", "\u200b", "\x00", "\ud800", "<script>alert(1)</script>",
        "</script><!--", "a & b", "'\"`", "=cmd|' /C calc'!A0", "+1+2", "-1+2", "@SUM(A1)", "\t=1", "＝1", r"\input{/etc/passwd}", "50 % a_b^c~d#e{f}$g$",
        "a|b", "*b*", "x" * 5000]
ANY = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(EVIL)


@given(ANY)
def test_a_terminal_is_given_nothing_to_obey(text):
    for shown in (safe.terminal(text), safe.plain(text)):
        assert not [c for c in shown if unicodedata.category(c)[0] == "C" and c not in "\n\t"]
    safe.terminal(text).encode("utf-8")
    if text.isprintable():
        assert safe.terminal(text) == text


def test_terminal_keeps_lines_and_spells_out_the_rest():
    assert safe.terminal("a\n\tb\x1b[2J\u202ec\u00a0d é") == "a\n\tb\\x1b[2J\\u202ec\u00a0d é"
    assert safe.terminal("50\r100") == "50\\x0d100"


class Page(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.texts.append(data)


@given(ANY)
def test_html_shows_text_between_tags_and_in_attributes(text):
    page = Page(f'<p title="{safe.html(text)}">{safe.html(text)}</p>')
    assert page.tags == [("p", [("title", safe.plain(text))])]
    assert "".join(page.texts) == safe.plain(text)
    assert html_library.unescape(safe.html(text)) == safe.plain(text)


@given(ANY)
def test_json_in_a_script_is_the_same_data_and_no_tag(text):
    inside = safe.script(json.dumps({"name": text}, ensure_ascii=False))
    assert json.loads(inside) == {"name": text} and not re.search("[<>&\u2028\u2029]", inside)


@given(ANY)
def test_csv_starts_no_formula_and_no_cell(text):
    file = io.StringIO()
    csv_files.writer(file).writerow([safe.csv_cell(text), "next"])
    (cell, after), = csv_files.reader(io.StringIO(file.getvalue(), newline=""))
    assert after == "next" and cell.removeprefix("'") == safe.plain(text).removeprefix("'")
    assert not cell or cell[0] not in "=+-@\t\r＝＋－＠" or re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", cell)


@pytest.mark.parametrize("number", ["-0.5", "+3", "1e-4", "-12", "-1.5E+3", ".5"])
def test_numbers_stay_numbers(number):
    assert safe.csv_cell(number) == number and float(safe.csv_cell(number)) == float(number)


@pytest.mark.parametrize("formula", ["=1+1", "+1+2", "-1+2", "-A1", "@SUM(A1)", "\t=1", " =1", "＝1", "+", "-", "--5"])
def test_formulas_are_quoted(formula):
    assert safe.csv_cell(formula) == "'" + formula.strip()


@given(ANY)
def test_latex_has_no_command_but_ours(text):
    made = safe.latex(text)
    left = made.replace("-{}-", "--").replace("-{}-", "--")
    for ours in sorted(safe.LATEX.values(), key=len, reverse=True):
        left = left.replace(ours, "")
    assert not re.search(r"[\\{}$&#_%^~]", left)
    assert len(made) <= 30 * 400


def test_latex_reads_back():
    assert safe.latex("a--b---c l1-norm") == "a-{}-b-{}-{}-c l1-norm"
    assert safe.latex(r"\input{x} 50 % a_b & c^2 ~#$") == (r"\textbackslash{}input\{x\} 50 \% a\_b \& c\textasciicircum{}2 "
                                                            r"\textasciitilde{}\#\$")
