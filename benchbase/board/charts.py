"""Tables as pictures for papers and slides: the gaps with their band, and accuracy against multiply-adds."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchbase.board import words
from benchbase.board.entry import Gap
from benchbase.board.row import WEIGHTS, Row
from benchbase.board.table import Table
from benchbase.board.verdict import ENOUGH, LITTLE, MATTER, SCRATCH, UNDECIDED
from benchbase.errors import BenchError
from benchbase.values.escape import plain

# Okabe and Ito's colours, as on the page: told apart by the colour-blind.
COLOURS = {MATTER: "#0072b2", LITTLE: "#4c9fcb", ENOUGH: "#00805f", SCRATCH: "#c24e00", UNDECIDED: "#75618f",
           "provisional": "#8a8f97", "no verdict": "#b9bcc1"}
METHODS = ["#0072b2", "#d55e00", "#009e73", "#c2569a", "#c98a00", "#6a55d9", "#3ba3d8", "#8a6d3b"]
BAND, GREY = "#dfe9e3", "#a3a8af"
WIDTH, STEP, HEIGHT = 420, 24, 260
PROTOCOLS = ("finetune-matched", "finetune", "scratch-matched", "scratch-b")  # the first that a table has is drawn


def svg(tables: Sequence[Table]) -> str:
    """The tables as one SVG. BenchError where there is nothing to draw, or the libraries that draw are not installed."""
    return str(_converter().vegalite_to_svg(specification(tables)))


def png(tables: Sequence[Table], scale: float = 2.0) -> bytes:
    """The tables as one PNG, `scale` pixels a point. BenchError as in `svg`."""
    return bytes(_converter().vegalite_to_png(specification(tables), scale=scale))


def specification(tables: Sequence[Table]) -> dict[str, Any]:
    """The Vega-Lite specification: for each table its forest plot, beside it accuracy against multiply-adds."""
    alt = _altair()
    parts = [figures for table in tables if (figures := list(_figures(alt, table)))]
    drawn = [alt.hconcat(*figures).resolve_scale(color="independent", shape="independent") for figures in parts]
    if not drawn:
        raise BenchError("there is nothing to draw: no row has both sides of a gap, or an accuracy after training",
                         "take fewer filters, or another format")
    config = {"view": {"stroke": None}, "axis": {"gridColor": "#e5e2db", "domainColor": "#e5e2db", "tickColor": "#e5e2db", "labelLimit": 320}}
    return dict(alt.vconcat(*drawn, spacing=36).configure(background="white", **config).to_dict())


def _figures(alt: Any, table: Table) -> Iterator[Any]:
    title = plain(f"{table.setting.dataset} · {table.setting.model}", 120)
    if rows := [row for row in table.rows if row.gap("matched") or row.gap("paper")]:
        yield forest(alt, table, rows, title)
    protocol = next((name for name in PROTOCOLS if any(_drawn(row, name) for row in table.rows)), None)
    if protocol:
        yield accuracies(alt, table, protocol, title)


def forest(alt: Any, table: Table, rows: Sequence[Row], title: str) -> Any:
    """Gap at equal compute in the colour of its verdict, the paper's gap in grey, the band of differences that count as none."""
    labels = [plain(row.label, 80) for row in rows]
    values = [{"row": label, "says": words.says(row), "which": name, **_interval(gap)} for label, row in zip(labels, rows)
              for name in ("paper", "matched") if (gap := row.gap(name))]
    y = alt.Y("row:N", sort=labels, title=None)
    base = alt.Chart(alt.Data(values=values))
    paper, matched = (base.transform_filter(alt.datum.which == name) for name in ("paper", "matched"))
    colour = alt.Color("says:N", title="verdict", scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())))
    x = alt.X("mean:Q", title="inherited − fresh weights, points of top-1 (95 %)")
    layers = [alt.Chart(alt.Data(values=[{"low": -table.delta, "high": table.delta}])).mark_rect(color=BAND).encode(x="low:Q", x2="high:Q"),
              alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color=GREY).encode(x="zero:Q"),
              paper.mark_rule(color=GREY, yOffset=5).encode(y=y, x="low:Q", x2="high:Q"),
              paper.mark_point(color=GREY, filled=True, size=25, yOffset=5).encode(y=y, x=x),
              matched.mark_rule(strokeWidth=2, yOffset=-2).encode(y=y, x="low:Q", x2="high:Q", color=colour),
              matched.mark_point(filled=True, size=60, opacity=1, yOffset=-2).encode(y=y, x=x, color=colour)]
    return alt.layer(*layers).properties(width=WIDTH, height=STEP * len(rows), title=title)


def accuracies(alt: Any, table: Table, protocol: str, title: str) -> Any:
    """Mean top-1 ± one sample deviation over multiply-adds on a logarithmic axis, a line for each method, the dense network dotted."""
    values = [value for row in table.rows if (value := _drawn(row, protocol))]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("macs:Q", scale=alt.Scale(type="log", nice=False, padding=12), axis=alt.Axis(format=".3~s"), title="multiply-adds left"),
        color=alt.Color("method:N", title="method", scale=alt.Scale(range=METHODS)))
    y = alt.Y("top1:Q", scale=alt.Scale(zero=False), title=f"top-1 of {protocol}, %")
    layers = [base.mark_line(opacity=0.5).encode(y=y), base.mark_rule().encode(y="low:Q", y2="high:Q"),
              base.mark_point(filled=True, size=45, opacity=1).encode(y=y, shape=alt.Shape("method:N", legend=None))]
    dense = next((entry.mean for row in table.rows if (entry := row.entry("unpruned")) and entry.mean is not None), None)
    if dense is not None:
        layers.insert(0, alt.Chart(alt.Data(values=[{"dense": dense}])).mark_rule(strokeDash=[1, 4], color="#1c2026").encode(y="dense:Q"))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title)


def _interval(gap: Gap) -> dict[str, float]:
    i = gap.interval
    return {"mean": i.mean, "low": i.mean if i.low is None else i.low, "high": i.mean if i.high is None else i.high}


def _drawn(row: Row, protocol: str) -> dict[str, Any] | None:
    entry = row.entry(protocol)
    if row.size is None or entry is None or entry.mean is None:
        return None
    macs = (row.size.macs_nonzero if row.kind == WEIGHTS else row.size.macs).mean
    std = entry.std or 0.0
    if not macs:
        return None
    return {"method": plain(row.who.label, 60), "macs": macs, "top1": entry.mean, "low": entry.mean - std, "high": entry.mean + std}


def _altair() -> Any:
    try:
        import altair
    except ImportError:
        raise _missing() from None
    return altair


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError:
        raise _missing() from None
    return vl_convert


def _missing() -> BenchError:
    return BenchError("pictures are drawn by altair and vl-convert-python, which are not installed",
                      "pip install 'benchbase[board]', or take another format")
