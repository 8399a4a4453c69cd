"""The page: one file that needs no network, no server and no library in the browser.

Charts are drawn by 45 kB of own script, not by Vega: its bundle is 20 times as large, and evaluates text as code, which the page's
Content-Security-Policy forbids. So the page can show strangers' texts: none of them ever reaches an HTML parser.
"""
from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchbase.board.page.data import data_of, to_text
from benchbase.board.reported import Cited, bibtex, claims, compared
from benchbase.board.table import Table
from benchbase.board.words import CONVENTION
from benchbase.errors import BenchError
from benchbase.values.escape import script

HERE = Path(__file__).parent
SCRIPTS = ("dom", "select", "forest", "plots", "table", "csv", "card", "paper", "app")
BLOCK = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def render(tables: Sequence[Table], cited: Mapping[str, Cited] | None = None) -> str:
    """index.html of a leaderboard.  cited: method -> what its plugin says of its paper. What the template takes as safe is our own code, or JSON
    in which no tag can begin."""
    import jinja2

    data = data_of(tables)
    style = _asset("page.css")
    code = "(() => {\n'use strict';\n" + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"
    policy = f"default-src 'none'; script-src '{_hash(code)}'; style-src '{_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'; " \
        "require-trusted-types-for 'script'; trusted-types 'none'"
    loader = jinja2.FileSystemLoader(HERE)
    page = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True).get_template("page.html")
    return page.render(policy=policy, style=style, code=code, data=script(to_text(data)), convention=CONVENTION,
                       papers=script(json.dumps(papers_of(tables, cited or {}, data), sort_keys=True, separators=(",", ":"))),
                       headline=data["headline"] if data["headline"]["cells"] else data["smoke"])


def block(page: str) -> str:
    """The data in a page, as it stands there. BenchError where there is none."""
    found = BLOCK.findall(page)
    if len(found) != 1:
        raise BenchError(f"index.html has {len(found) or 'no'} blocks of data", "build it again with `bench leaderboard build`")
    return str(found[0])


def papers_of(tables: Sequence[Table], cited: Mapping[str, Cited], data: Mapping[str, Any]) -> dict[str, Any]:
    """What the installed plugins say of the methods on the board: no part of the data, which comes from records alone."""
    names = sorted({row.who.name for table in tables for row in table.rows} & cited.keys())
    methods = {name: {"paper": cited[name].paper, "bibtex": bibtex(name, cited[name].paper)} for name in names if cited[name].paper}
    rows = [{"method": c.method, "dataset": c.dataset, "model": c.model, "target": c.target, "protocol": c.protocol, "paper": c.paper,
             "source": c.source, "ours": c.ours, "difference": c.difference, "agrees": c.agrees,
             "row": data["tables"][c.at[0]]["rows"][c.at[1]]["id"] if c.at else None} for c in compared(tables, cited)]
    return {"methods": methods, "compared": rows,
            "claims": [{"kind": c.kind, "dataset": c.dataset, "text": c.text, "agree": c.agree, "against": c.against, "unclear": c.unclear,
                        "smoke": c.dataset.startswith("digits")} for c in claims(tables, cited)]}


def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
