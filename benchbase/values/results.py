"""Results as tables that show themselves: as text where they are printed, as HTML in a notebook."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from benchbase.errors import unknown
from benchbase.values.cost import Cost
from benchbase.values.escape import html, plain


@dataclass(frozen=True)
class Result:
    """One protocol, run with every seed. start: where its weights came from.  top1: percent of the test images, loss: mean cross-entropy,
    one of each a seed.  seconds: of all its trainings."""

    protocol: str
    start: str
    epochs: int
    top1: tuple[float, ...]
    loss: tuple[float, ...]
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Mean top-1."""
        return fmean(self.top1)

    @property
    def std(self) -> float | None:
        """Sample standard deviation of top-1; None for one seed."""
        return stdev(self.top1) if len(self.top1) > 1 else None


@dataclass(frozen=True, repr=False)
class Results:
    """What came of a pruned network, a row a protocol; `results["scratch-b"]` is one of them. dense, pruned: what the two networks cost."""

    rows: tuple[Result, ...]
    dense: Cost
    pruned: Cost

    def __getitem__(self, protocol: str) -> Result:
        """The row of a protocol. Raises BenchError for one that is not there."""
        found = {row.protocol: row for row in self.rows}
        if protocol not in found:
            raise unknown("protocol", protocol, found)
        return found[protocol]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def title(self) -> str:
        """What the pruned network costs, beside the dense one."""
        sizes = (f"{name} {now:,} of {was:,} ({was / max(now, 1):.1f}x)" for name, now, was in
                 (("parameters", self.pruned.nonzero, self.dense.params), ("multiply-adds", self.pruned.macs_nonzero, self.dense.macs)))
        return f"pruned: {', '.join(sizes)}"

    def __repr__(self) -> str:
        return f"{self.title}\n{text_table(HEAD, self._cells())}"

    def _repr_html_(self) -> str:
        return html_table(HEAD, self._cells(), self.title)

    def _cells(self) -> list[list[str]]:
        return [[row.protocol, row.start, str(row.epochs), f"{row.mean:.2f}" + (f" ± {row.std:.2f}" if row.std is not None else ""),
                 f"{fmean(row.loss):.4f}", str(len(row.top1))] for row in self.rows]


HEAD = ("protocol", "weights", "epochs", "top-1 in %", "loss", "n")


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, the first two to the left and the rest to the right.

    >>> print(text_table(["a", "b", "c"], [["x", "y", "10"]]))
    a  b   c
    x  y  10
    """
    lines = [[plain(cell) for cell in line] for line in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))).rstrip() for line in lines)


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> str:
    """A table of HTML. Every text is escaped here: names come from plugins and records of others.

    >>> html_table(["a"], [["<b>"]])
    '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    caption = f"<caption>{html(title)}</caption>" if title else ""
    body = "".join(f"<tr>{''.join(f'<td>{html(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{caption}<thead><tr>{''.join(f'<th>{html(name)}</th>' for name in head)}</tr></thead><tbody>{body}</tbody></table>"
