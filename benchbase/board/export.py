"""Tables for spreadsheets and for papers. Texts of strangers are made harmless for the place they go to."""
from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from benchbase.board import words
from benchbase.board.entry import GAPS, Gap, order_of
from benchbase.board.row import WEIGHTS, Row
from benchbase.board.table import Table
from benchbase.values.escape import csv_cell as cell
from benchbase.values.escape import latex


def csv_text(tables: Sequence[Table]) -> str:
    """One line a row: what it is, its verdict, its gaps with their intervals, its size, mean, deviation and n of every protocol."""
    protocols = sorted({name for table in tables for name in table.protocols}, key=order_of)
    gaps = [name for name, *_ in GAPS]
    head = ["dataset", "model", "method", "version", "budget", "kind", "verdict", "reasons", "tier",
            *(f"{name} {part}" for name in (f"gap {gap}" for gap in gaps) for part in ("mean", "low", "high", "n")),
            "params", "macs", "compression", "speedup", *(f"{name} {part}" for name in protocols for part in ("mean", "std", "n"))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(cell(name) for name in head)
    for table in tables:
        for row in table.rows:
            writer.writerow([*map(cell, _said(table, row)), *(number for gap in gaps for number in _gap(row.gap(gap))), *_size(row),
                             *(number for name in protocols for number in _entry(row, name))])
    return out.getvalue()


def latex_text(tables: Sequence[Table]) -> str:
    """A tabular of booktabs for each table, captioned: verdict, both gaps, and top-1 of every protocol."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join("\n".join(_tabular(table)) for table in tables)


def _tabular(table: Table) -> Iterator[str]:
    protocols = [name for name in table.protocols if any((entry := row.entry(name)) and entry.mean is not None for row in table.rows)]
    setting = table.setting
    head = ["method", "budget", "verdict", "gap, matched", "finetune − scratch-b", *protocols]
    yield "\\begin{table}\n\\centering\\small"
    what = f"{latex(setting.dataset)}, {latex(setting.model)}: top-1 in percent, mean $\\pm$ sample deviation over seeds"
    yield f"\\caption{{{what}. {latex(words.base(table))}}}"
    yield f"\\begin{{tabular}}{{lll{'r' * (len(head) - 3)}}}\n\\toprule"
    yield _line(head)
    yield "\\midrule"
    for row in table.rows:
        gaps = [words.interval(gap.interval) if (gap := row.gap(name)) else "" for name in ("matched", "paper")]
        accuracies = [" ".join(filter(None, words.accuracy(row.entry(name)))) for name in protocols]
        yield _line([row.who.label, row.goal.label, words.says(row), *gaps, *accuracies])
    yield "\\bottomrule\n\\end{tabular}\n\\end{table}"


def _line(cells: Iterable[str]) -> str:
    """The braces keep a row that starts with a bracket from being read as an option of the line break before it."""
    return "{}" + " & ".join(map(latex, cells)) + " \\\\"


def _said(table: Table, row: Row) -> list[str]:
    return [table.setting.dataset, table.setting.model, row.who.label, str(row.who.version), row.goal.label, row.kind, words.says(row),
            "; ".join(row.verdict.reasons), str(row.tier)]


def _gap(gap: Gap | None) -> list[object]:
    return [_number(gap.interval.mean), _number(gap.interval.low), _number(gap.interval.high), gap.interval.n] if gap else [""] * 4


def _size(row: Row) -> list[object]:
    """What is left; weight rows count what is not zero."""
    if row.size is None:
        return [""] * 4
    left = (row.size.nonzero, row.size.macs_nonzero) if row.kind == WEIGHTS else (row.size.params, row.size.macs)
    return [*(_number(spread.mean) for spread in left), _number(row.size.compression), _number(row.size.speedup)]


def _entry(row: Row, protocol: str) -> list[object]:
    entry = row.entry(protocol)
    return [_number(entry.mean), _number(entry.std), entry.n] if entry else [""] * 3


def _number(value: float | None) -> object:
    return "" if value is None else f"{value:.9g}"
