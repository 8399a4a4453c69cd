"""The leaderboard as Markdown: README.md, the same bytes for the same records."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from benchbase.board import howto, words
from benchbase.board.crossed import RESAMPLES
from benchbase.board.entry import Entry
from benchbase.board.row import WEIGHTS, Row
from benchbase.board.table import Table
from benchbase.board.verdict import WORDS
from benchbase.values.escape import markdown as md

KINDS = {"structured": "Channels and blocks", "weights": "Single weights"}
GUIDE = f"""\
**Weights or architecture?** A pruned network is trained twice on one budget of multiply-adds: from the weights that pruning left it, and from
fresh ones. What the first gains over the second is the worth of the inherited weights; without a gain the architecture alone is enough
(after Liu et al., *Rethinking the Value of Network Pruning*, ICLR 2019).

| protocol | weights start | trained for |
|---|---|---|
| unpruned | fresh, dense | the base's recipe: the control of every row |
| one-shot | inherited | not at all; beside it, batch-norm statistics recomputed on training images |
| finetune | inherited | the fine-tuning recipe: few epochs at a low rate |
| rewind, rewind-early | the base's at init, or after 1/32 of its training | the base's recipe from there on; the control is scratch-e |
| scratch-e, scratch-b | fresh | the base's epochs; as many as cost what the base's did |
| finetune-matched, scratch-matched | inherited, fresh | the same multiply-adds in all, pretraining and pruning included |
| unpruned-long | fresh, dense | as long as the longest scratch training: has the base converged? |

Accuracy is top-1 in percent on the test split after the last epoch: mean ± sample standard deviation over seeds, n of them, with the epochs of
the last training. Gaps are paired by seed, with 95 % t intervals in points. The verdict is on finetune-matched − scratch-matched against a
difference fixed for each data set before any run; fewer than 5 seeds, a failed seed or a base that has not converged earn no word. The paper's
own gap, finetune − scratch-b, stands beside it in small. The first gap has a second interval, "with the test sample": seeds and test images resampled
together ({RESAMPLES:,} times), so it holds for other images too. Ranks are intervals, 1 + the rows that are significantly better to N - those
that are significantly worse (paired t tests, Holm's procedure over all of a column); only rows that keep 1/2, 1/4, ... 1/32 of the
multiply-adds (of the weights, for single weights) within 2 % are ranked, and channels and single weights never together. The area under a method's curve is its mean accuracy over
octaves of compression, of 5 points or more. A dagger (†) marks methods that are
not published; letters mark runs that rows share: one training, counted once. Budgets are shares removed."""


def render(tables: Sequence[Table]) -> str:
    """README.md of the folder that holds records/: how to read it, the answers at a glance, then every table."""
    titles = _titles(tables)
    parts = ["# Leaderboard", "Derived from [records](records) by `bench leaderboard build`: edit nothing here.", *_glance(tables, titles),
             "## How to read it", GUIDE, words.CONVENTION]
    for table, title in zip(tables, titles):
        parts += _section(table, title)
    parts += ["## How to check, repeat, add and cite", howto.TEXT]
    return "\n\n".join(parts) + "\n"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], right: int = 0) -> str:
    """A table of cells that are Markdown already; columns from `right` on are aligned to the right."""
    rule = ["---" if i < right or not right else "--:" for i in range(len(head))]
    return "\n".join([_line(head), f"|{'|'.join(rule)}|", *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _titles(tables: Sequence[Table]) -> list[str]:
    """Data set and model; a number where several recipes share them."""
    names = [f"{t.setting.dataset} · {t.setting.model}" for t in tables]
    return [name if names.count(name) == 1 else f"{name} ({names[:i + 1].count(name)})" for i, name in enumerate(names)]


def _glance(tables: Sequence[Table], titles: Sequence[str]) -> list[str]:
    """How many rows of each table have which verdict."""
    if not tables:
        return ["There are no records yet: `bench run` writes some."]
    rows = []
    for table, title in zip(tables, titles):
        count = [table.words.get(word, 0) for word in (*WORDS, "")]
        rows.append([f"[{md(title)}](#{_anchor(title)})", str(len(table.rows)), *(f"**{n}**" if n else "" for n in count[:-1]), str(count[-1] or "")])
    return [f"**{words.QUESTION}** Rows by verdict:", grid(["table", "rows", *WORDS, "no word yet"], rows, right=1)]


def _anchor(title: str) -> str:
    """The anchor that a heading gets: GitHub's rule."""
    return quote(re.sub(r"[^\w\- ]", "", words.plain(title).lower()).replace(" ", "-"))


def _section(table: Table, title: str) -> Iterator[str]:
    notes = Notes()
    s = table.setting
    yield f"## {md(title)}"
    if s.dataset.startswith("digits"):
        yield f"> {words.SMOKE}"
    yield f"Base: {md(words.recipe(s.recipe))}. Fine-tuning: {md(words.recipe(s.finetune))}. {md(words.base(table))}"
    yield "\n".join(f"- **{word}**: {md(rows, 1000)}" for word, rows in words.answers(table))
    for kind in table.kinds:
        rows = [row for row in table.rows if row.kind == kind]
        if len(table.kinds) > 1:
            yield f"### {KINDS[kind]}"
        if any(row.gaps for row in rows):
            yield _gaps(table, rows, notes)
        yield _accuracies(table, rows, notes)
        yield from _ranks(table, rows)
        yield from _areas(table, kind)
        yield from _others(table, rows)
    yield from notes.lines(table)
    yield _ledger(table)
    yield _origin(table)


class Notes:
    """Footnotes of one section, numbered as they are first asked for."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, texts: Iterable[str]) -> str:
        """The numbers of some notes, raised."""
        numbers = [self._numbers.setdefault(text, len(self._numbers) + 1) for text in texts]
        return f" <sup>{','.join(map(str, numbers))}</sup>" if numbers else ""

    def lines(self, table: Table) -> Iterator[str]:
        """What all marks mean."""
        found = [f"- <sup>{number}</sup> {md(text, 600)}" for text, number in self._numbers.items()]
        found += [f"- <sup>{link.letter}</sup> {md(words.link(link), 600)}" for link in table.links]
        found += [f"- {md(flag)}" for flag in table.flags]
        if found:
            yield "\n".join(found)


def _name(row: Row, notes: Notes) -> str:
    dagger = "" if row.who.published else " †"
    return f"[{md(row.who.label)}]({quote(row.folder)}){dagger}{notes.mark(row.flags)}"


def _accuracies(table: Table, rows: Sequence[Row], notes: Notes) -> str:
    """Every protocol's accuracy, a row a method and budget."""
    columns = [p for p in table.protocols if any(row.entry(p) for row in rows)]
    sizes = ["nonzero", "MACs of nonzero"] if rows[0].kind == WEIGHTS else ["params", "MACs"]
    head = ["method", "budget asked", "removed", *sizes, *(md(p) for p in columns), "tier"]
    return grid(head, ([_name(row, notes), md(row.goal.label), _removed(row), *_sizes(row), *(_cell(row, row.entry(p)) for p in columns),
                        str(row.tier)] for row in rows), right=2)


def _removed(row: Row) -> str:
    """What came of the budget, beside what was asked."""
    goal = row.goal
    if goal.achieved is None or goal.asked is None:
        return words.NOTHING
    low, high = (f"{100 * v:.1f}" for v in (goal.achieved.low, goal.achieved.high))
    got = f"{low if low == high else f'{low}–{high}'} % of {'all weights' if not goal.exact else goal.unit}"
    return f"**{got}**, asked {100 * goal.asked:.4g} %" if goal.missed else got


def _sizes(row: Row) -> list[str]:
    size = row.size
    if size is None:
        return [words.NOTHING, words.NOTHING]
    left = (size.nonzero, size.macs_nonzero) if size.kind == WEIGHTS else (size.params, size.macs)
    return [f"{words.many(v)} / {words.si(dense)}{f' ({factor:.2f}×)' if factor else ''}"
            for v, dense, factor in zip(left, (size.dense.params, size.dense.macs), (size.compression, size.speedup))]


def _cell(row: Row, entry: Entry | None) -> str:
    mean, std = words.accuracy(entry)
    if entry is None or mean == words.NOTHING:
        return mean + (f"<br><sub>{len({m.seed for m in entry.failed})} failed</sub>" if entry and entry.failed else "")
    link = f" <sup>{entry.link}</sup>" if entry.link else ""
    return f"{mean} {std}".strip() + f"{link}<br><sub>{words.small(row, entry)}</sub>"


def _gaps(table: Table, rows: Sequence[Row], notes: Notes) -> str:
    names = [name for name in ("matched", "paper", "same epochs") if any(row.gap(name) for row in rows)]
    title = {g.name: words.gap_name(g) for row in rows for g in row.gaps}
    head = ["method", "budget", "verdict", *(title[name] + (f" (± {table.delta:g})" if name == "matched" else "") for name in names)]
    return grid(head, ([_name(row, notes), md(row.goal.label), _verdict(row), *(_gap(row, name) for name in names)] for row in rows), right=3)


def _verdict(row: Row) -> str:
    return f"**{row.verdict.word}**" if row.verdict.word else words.says(row)


def _gap(row: Row, name: str) -> str:
    gap = row.gap(name)
    if gap is None:
        return words.NOTHING
    lost = f", {len(gap.failed)} failed" if gap.failed else ""
    second = f"; with the test sample {words.sample(gap)}" if gap.crossed and words.sample(gap) else ""
    told = words.interval(gap.interval) if name == "matched" else f"<sub>{words.interval(gap.interval)}</sub>"
    return f"{told}<br><sub>n {gap.interval.n}{lost}{second}</sub>"


def _ranks(table: Table, rows: Sequence[Row]) -> Iterator[str]:
    """Ranks at common points, a column a protocol."""
    columns = [p for p in table.protocols if any(r.protocol == p for row in rows for r in row.ranks)]
    if columns:
        yield grid(["rank by accuracy: method", "budget", "point", *map(md, columns)],
                   ([md(row.who.label), md(row.goal.label), words.place(row), *(words.rank(row, p) for p in columns)]
                    for row in rows if row.size), right=3)


def _areas(table: Table, kind: str) -> Iterator[str]:
    """Areas under curves, and why a curve that was begun has none."""
    curves = [c for c in table.curves if c.kind == kind]
    if any(c.area is not None for c in curves):
        yield grid(["mean accuracy over the curve: method", "protocol", "from", "to", "points", "area"],
                   ([md(c.who.label), md(c.protocol), f"{c.points[0][0]:.3g}×", f"{c.points[-1][0]:.3g}×", str(len(c.points)),
                     c.why if c.area is None else f"{c.area:.2f}" + ("" if c.std is None else f" ± {c.std:.2f}")] for c in curves), right=2)


def _others(table: Table, rows: Sequence[Row]) -> Iterator[str]:
    """Top-5 where there are 100 classes, and what plugins measured."""
    names = dict.fromkeys(m.name for row in rows for e in row.entries for m in e.measures
                          if m.name not in ("loss", "top5") or m.name == "top5" and table.setting.classes >= 100)
    for name in names:
        columns = [p for p in table.protocols if any(words.measure(row.entry(p), name) for row in rows)]
        cells = ([words.measure(row.entry(p), name) or words.NOTHING for p in columns] for row in rows)
        yield grid([f"{md(name)}: method", "budget", *map(md, columns)],
                   ([md(row.who.label), md(row.goal.label), *own] for row, own in zip(rows, cells)), right=2)


def _ledger(table: Table) -> str:
    rows = [[s.phase, str(s.runs), f"{s.epochs:g}", words.si(s.images), words.si(s.macs), words.duration(s.seconds)] for s in table.ledger]
    total = ["all", str(sum(s.runs for s in table.ledger)), f"{sum(s.epochs for s in table.ledger):g}", words.si(sum(s.images for s in table.ledger)),
             words.si(sum(s.macs for s in table.ledger)), words.duration(sum(s.seconds for s in table.ledger))]
    return grid(["spent on", "runs", "epochs", "images", "MACs", "time"], [*rows, total], right=1)


def _origin(table: Table) -> str:
    methods = dict.fromkeys(row.who for row in table.rows)
    told = "; ".join(words.method(who) for who in methods)
    places = "; ".join(f"{name}: {', '.join(values)}" for name, values in table.places.items())
    return f"<sub>{md(told, 3000)}. {md(places, 1000)}. Data: sha256 {table.setting.fingerprint[:12]}.</sub>"
