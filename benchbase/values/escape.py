"""Text from strangers, made harmless for where it is shown: a terminal, Markdown, HTML, LaTeX, a CSV file.

Names, labels and messages come out of records, suites and plugins of others. Whatever shows one passes it through the function of its place.
"""
from __future__ import annotations

import html as _html
import re
import unicodedata
from typing import Any

# Only what pdflatex knows in its default encoding and without a package: a quotation mark's own command is not of it.
LATEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_", "%": r"\%", "^": r"\textasciicircum{}",
         "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"{\char34}", "`": r"\textasciigrave{}",
         "'": r"\textquotesingle{}", "±": r"$\pm$", "−": r"$-$", "×": r"$\times$", "→": r"$\to$", "†": r"\textdagger{}"}
FORMULA = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def plain(text: Any, limit: int = 400) -> str:
    """Text on one line without control, format or unassigned characters: nothing that moves a cursor, hides or turns around.

    >>> plain("a\\x1b[31m\\nb")
    'a[31m b'
    """
    spaced = "".join(" " if c.isspace() else c for c in str(text)[:4 * limit])
    clean = " ".join("".join(c for c in spaced if unicodedata.category(c)[0] != "C").split())
    return clean if len(clean) <= limit else clean[:limit - 1] + "…"


def terminal(text: str) -> str:
    """Text whose lines and tabs stay, and whose other control and format characters are spelt out: a terminal obeys none of them.

    >>> print(terminal("a\\x1b]0;title\\x07\\nb"))
    a\\x1b]0;title\\x07
    b
    """
    return "\n".join(line if line.isprintable() else "".join(map(_spelt, line)) for line in text.split("\n"))


def markdown(text: Any, limit: int = 400) -> str:
    """Text that Markdown shows as it is: one line, no markup, no HTML, no new cell.

    >>> markdown("a|b <b> `c` _d_ vgg16_bn")
    'a\\\\|b &lt;b> \\\\`c\\\\` \\\\_d\\\\_ vgg16_bn'
    """
    clean = plain(text, limit).replace("&", "&amp;").replace("<", "&lt;")
    clean = re.sub(r"([\\`*\[\]|~#!$])", r"\\\1", clean)
    clean = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", clean)
    return re.sub(r"(?i)\b(https?|ftp)(?=://)|\bwww(?=\.)|@(?=\w)", lambda m: f"{m[0]}&#8203;", clean)


def html(text: Any, limit: int = 400) -> str:
    """Text between tags or in a quoted attribute of HTML.

    >>> html("<b>'x' & y")
    '&lt;b&gt;&#x27;x&#x27; &amp; y'
    """
    return _html.escape(plain(text, limit), quote=True)


def script(json_text: str) -> str:
    """JSON text as it may stand in a <script> element: the same data, and no tag, comment or entity can begin in it.

    >>> script('"</script><!--"')
    '"\\\\u003c/script\\\\u003e\\\\u003c!--"'
    """
    return "".join(f"\\u{ord(c):04x}" if c in "<>&\u2028\u2029" else c for c in json_text)


def latex(text: Any, limit: int = 400) -> str:
    """Text in a paragraph or a cell of LaTeX: no command, no comment, no new cell, no ligature of dashes.

    >>> latex("50 % of a_b & c")
    '50 \\\\% of a\\\\_b \\\\& c'
    """
    return re.sub("-(?=-)", "-{}", "".join(LATEX.get(c, c) for c in plain(text, limit)))


def csv_cell(text: Any, limit: int = 400) -> str:
    """Text as a cell of a CSV file (the csv module adds the quotes): what a spreadsheet would compute gets an apostrophe in front. Numbers stay.

    >>> csv_cell("=1+1"), csv_cell("-0.5"), csv_cell("-0.5+A1")
    ("'=1+1", '-0.5', "'-0.5+A1")
    """
    clean = plain(text, limit)
    return f"'{clean}" if clean[:1] in FORMULA and clean and not NUMBER.fullmatch(clean) else clean


def _spelt(char: str) -> str:
    if char.isprintable() or char in "\t\u00a0":
        return char
    return char.encode("ascii", "backslashreplace").decode() if ord(char) > 127 else f"\\x{ord(char):02x}"
