"""What papers report beside what the records say: numbers of the same cell, and the paper's claim counted over rows."""
from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchbase.board.entry import Entry
from benchbase.board.row import WEIGHTS, Row
from benchbase.board.stats import t_quantile
from benchbase.board.table import Table

PROTOCOLS = ("unpruned", "finetune", "scratch-e", "scratch-b")
RUNS = {"cifar10": 5, "cifar100": 5}  # runs behind a number of the paper; one where nothing is said
EPOCHS = {"cifar10": 160, "cifar100": 160, "imagenet": 90}  # of the paper's bases: another recipe is another experiment
CITATION = re.compile(r"(?P<authors>[^.]+?(?: et al)?)\. (?P<title>.+?)\. (?P<venue>[^.,\d]+) (?P<year>\d{4})(?:, arXiv:(?P<eprint>[\d.]+))?.*")
YES, NO, OTHER, MISSING = "yes", "no", "other recipe", "not measured"
CLAIMS = {"structured": "Channels and blocks: trained from scratch for the same compute (Scratch-B), the pruned network is at least as good as "
          "fine-tuned",
          WEIGHTS: "Single weights: fine-tuning can win, at high ratios and on large data sets"}


@dataclass(frozen=True)
class Cited:
    """What a plugin says of a method.  paper: a citation.  reported: rows with dataset, model, target, source, and accuracies under the names of
    protocols: a number, or mean and std."""

    paper: str = ""
    reported: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Compared:
    """One number of a paper.  paper, ours: mean and std of top-1; ours None where nobody measured the cell.  difference: ours - paper, with its
    95 % interval (Welch) where both have a spread.  agrees: one of YES, NO, OTHER, MISSING.  at: data set, model and label of our row."""

    method: str
    dataset: str
    model: str
    target: str
    protocol: str
    paper: tuple[float, float | None]
    source: str
    ours: tuple[float, float | None, int] | None = None
    difference: tuple[float, float | None, float | None] | None = None
    agrees: str = MISSING
    at: tuple[int, int] | None = None


@dataclass(frozen=True)
class Claim:
    """What the paper says of a kind of rows, and how many rows say so.  dataset: of the rows.  unclear: their interval fits both."""

    kind: str
    dataset: str
    text: str
    agree: int
    against: int
    unclear: int


def compared(tables: Sequence[Table], cited: Mapping[str, Cited]) -> Iterator[Compared]:
    """Every reported accuracy of the methods on the board, beside the row of the same data set, model and target, if there is one."""
    present = {row.who.name for table in tables for row in table.rows}
    for method in sorted(present & cited.keys()):
        for said in cited[method].reported:
            if isinstance(said, Mapping) and {"dataset", "model", "target"} <= said.keys():
                at = _place(tables, method, said)
                yield from (_compared(tables, at, method, said, p) for p in PROTOCOLS if _number(said.get(p)) is not None)


def claims(tables: Iterable[Table], cited: Mapping[str, Cited]) -> list[Claim]:
    """The paper's claim, counted over the rows of methods that it studied: finetune - scratch-b against delta, paired over seeds."""
    counts: dict[tuple[str, str], list[int]] = {}
    for table in tables:
        for row in table.rows:
            gap = row.gap("paper")
            if gap and gap.interval.low is not None and gap.interval.high is not None and cited.get(row.who.name, Cited()).reported:
                side = _side(row.kind, gap.interval.low, gap.interval.high, table.delta)
                counts.setdefault((row.kind, table.setting.dataset), [0, 0, 0])[side] += 1
    return [Claim(kind, dataset, CLAIMS[kind], *found) for (kind, dataset), found in sorted(counts.items())]


def _side(kind: str, low: float, high: float, delta: float) -> int:
    """0: as the paper says, 1: against it, 2: either."""
    scratch, tuned = high < delta, low > (delta if kind != WEIGHTS else 0)
    agree, against = (tuned, scratch) if kind == WEIGHTS else (scratch, tuned)
    return 0 if agree else 1 if against else 2


def _place(tables: Sequence[Table], method: str, said: Mapping[str, Any]) -> tuple[int, int] | None:
    """Where our row of a reported one is: table and row; the one with the paper's recipe before others."""
    found = [(_odd(table), i, j) for i, table in enumerate(tables) for j, row in enumerate(table.rows)
             if row.who.name == method and bare(table.setting.dataset) == bare(str(said["dataset"]))
             and bare(table.setting.model.rpartition(":")[2]) == bare(str(said["model"])) and _same_target(row, str(said["target"]))]
    return min(found)[1:] if found else None


def _odd(table: Table) -> bool:
    """Whether the base was trained otherwise than the paper's."""
    return table.setting.recipe.get("epochs") != EPOCHS.get(bare(table.setting.dataset))


def _same_target(row: Row, target: str) -> bool:
    if re.fullmatch(r"\d+(\.\d+)?%", target):
        return row.goal.asked is not None and row.goal.unit not in ("macs", "params") and math.isclose(row.goal.asked, float(target[:-1]) / 100)
    return bare(target) in (bare(row.goal.label), bare(row.goal.label).rstrip("b"))


def _compared(tables: Sequence[Table], at: tuple[int, int] | None, method: str, said: Mapping[str, Any], protocol: str) -> Compared:
    mean, std = _number(said[protocol]) or (0.0, None)
    where = (method, str(said["dataset"]), str(said["model"]), str(said["target"]), protocol, (mean, std), str(said.get("source", "")))
    entry = tables[at[0]].rows[at[1]].entry(protocol) if at else None
    if at is None or entry is None or entry.mean is None:
        return Compared(*where)
    table = tables[at[0]]
    difference = _difference(entry, mean, std, RUNS.get(bare(table.setting.dataset), 1))
    return Compared(*where, (entry.mean, entry.std, entry.n), difference, OTHER if _odd(table) else agrees(difference, table.delta), at)


def _number(value: Any) -> tuple[float, float | None] | None:
    """Mean and std of a reported value; None where it is no number."""
    found: tuple[Any, Any] = (value.get("mean"), value.get("std")) if isinstance(value, Mapping) else (value, None)
    sound = [isinstance(x, (int, float)) and math.isfinite(x) for x in found]
    return (found[0], found[1] if sound[1] else None) if sound[0] else None


def _difference(entry: Entry, mean: float, std: float | None, runs: int) -> tuple[float, float | None, float | None]:
    """ours - theirs, and the ends of its 95 % interval after Welch ("The generalization of Student's problem", Biometrika 34, 1947)."""
    off = (entry.mean or 0.0) - mean
    if std is None or entry.std is None or entry.n < 2 or runs < 2:
        return off, None, None
    one, two = entry.std**2 / entry.n, std**2 / runs
    if not one + two:
        return off, off, off
    freedom = (one + two) ** 2 / (one**2 / (entry.n - 1) + two**2 / (runs - 1))
    half = t_quantile(0.95, freedom) * math.sqrt(one + two)
    return off, off - half, off + half


def agrees(difference: tuple[float, float | None, float | None], delta: float) -> str:
    """Whether a difference is within what counts as none, or may be none."""
    off, low, high = difference
    return YES if abs(off) <= delta or (low is not None and high is not None and low <= 0 <= high) else NO


def bare(name: str) -> str:
    """A name without case and punctuation.

    >>> bare("VGG-16 (BN)"), bare("vgg16_bn")
    ('vgg16bn', 'vgg16bn')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def bibtex(key: str, citation: str) -> str:
    """A citation as a BibTeX entry: "Authors. Title. Venue Year, arXiv:number" as far as it has that form, else whole, as a note.

    >>> print(bibtex("thinet", "Luo, Wu, Lin. ThiNet. ICCV 2017, arXiv:1707.06342"))
    @inproceedings{thinet,
      author = {Luo and Wu and Lin},
      title = {{ThiNet}},
      booktitle = {ICCV},
      year = {2017},
      eprint = {1707.06342},
      archiveprefix = {arXiv}
    }
    """
    from benchbase.values.escape import latex

    clean = bare(key) if not re.fullmatch(r"[A-Za-z0-9-]+", key) else key
    form = CITATION.fullmatch(citation)
    if not form:
        return f"@misc{{{clean},\n  note = {{{latex(citation)}}}\n}}"
    authors = " and ".join(form["authors"].replace(" et al", ", others").split(", "))
    fields = {"author": latex(authors), "title": f"{{{latex(form['title'])}}}", "booktitle": latex(form["venue"]), "year": form["year"]}
    if form["eprint"]:
        fields |= {"eprint": form["eprint"], "archiveprefix": "arXiv"}
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@inproceedings{{{clean},\n{body}\n}}"
