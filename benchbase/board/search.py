"""Pruning as architecture search: accuracy against parameters, a curve for each way to find widths (Liu et al., ICLR 2019, section 5)."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchbase.board.stats import mean_std
from benchbase.errors import BenchError
from benchbase.values.escape import plain

if TYPE_CHECKING:
    from benchbase.values.record import Record

WIDTH, HEIGHT = 480, 320


@dataclass(frozen=True)
class Point:
    """One way at one size.  way: the method, or the name of the designs without their size.  params: what is not zero, mean over
    seeds.  top1, std: over seeds; std None of one seed."""

    way: str
    size: str
    params: float
    top1: float
    std: float | None
    n: int


def points(records: Iterable[Record], protocol: str) -> list[Point]:
    """The curves of one protocol, way by way, from large to small. BenchError for records of several networks or data sets, or none."""
    cells: dict[tuple[str, str], dict[int, Record]] = {}
    kinds = set()
    for r in records:
        if r.protocol == protocol:
            cells.setdefault((way_of(r), str(r.budget.get("name", ""))), {})[r.seed] = r
            kinds.add((r.model, r.dataset.name))
    if len(kinds) != 1:
        raise BenchError(f"the records of {protocol} are of {len(kinds)} networks and data sets", "draw one at a time: name the folder of its records")
    found = []
    for (way, size), by_seed in cells.items():
        mean, std = mean_std([r.metrics.top1 for r in by_seed.values()])
        params, _ = mean_std([float(r.metrics.nonzero) for r in by_seed.values()])
        found.append(Point(way, size, params, mean, std, len(by_seed)))
    return sorted(found, key=lambda p: (p.way, -p.params))


def way_of(record: Record) -> str:
    """How the widths were found: the name of a design without what tells its size ("guided" of guided-075), else the method.

    A design only has widths; which channels the method then takes makes no difference to a network that is trained from scratch.
    """
    design = re.fullmatch(r"(.+?)-[\d.]+", str(record.budget.get("name", ""))) if record.budget.get("widths") else None
    return design[1] if design else record.method.name


def draw(found: Sequence[Point], title: str, file: Path) -> None:
    """Write the curves as file.svg, .png or .html, by its ending: mean ± one sample deviation, parameters on a logarithmic axis.

    Raises BenchError for another ending, and where the libraries that draw are not installed.
    """
    writers: dict[str, tuple[str, dict[str, Any]]] = {".svg": ("svg", {}), ".png": ("png", {"ppi": 144}), ".html": ("html", {"inline": True})}
    if file.suffix not in writers:
        raise BenchError(f"{file} is no picture by its name", f"give a name that ends in {', '.join(writers)}")
    chart = figure(found, title)
    try:
        kind, how = writers[file.suffix]
        chart.save(str(file), format=kind, **how)
    except OSError as error:
        raise BenchError(f"cannot write {file}: {error.strerror}", "give a file that can be written") from None


def figure(found: Sequence[Point], title: str) -> Any:
    """The chart of altair."""
    try:
        import altair as alt
        import vl_convert  # noqa: F401 -- altair needs it to write pictures, and says so late
    except ImportError as error:
        raise BenchError(f"curves need {error.name}, which is not installed", "pip install 'benchbase[board]'") from None
    values = [{"way": plain(p.way, 80), "params": p.params, "top1": p.top1, "low": p.top1 - (p.std or 0), "high": p.top1 + (p.std or 0)}
              for p in found]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("params:Q", scale=alt.Scale(type="log", nice=False, padding=12), axis=alt.Axis(format=".3~s"), title="parameters that are not zero"),
        color=alt.Color("way:N", title="widths by"))
    y = alt.Y("top1:Q", scale=alt.Scale(zero=False), title="top-1 from scratch, %")
    layers = (base.mark_line(opacity=0.5).encode(y=y), base.mark_rule().encode(y="low:Q", y2="high:Q"),
              base.mark_point(filled=True, size=45, opacity=1).encode(y=y, shape=alt.Shape("way:N", legend=None)))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=plain(title, 120))
