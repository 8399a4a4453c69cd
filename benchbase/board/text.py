"""Tables on a terminal: the answer first, then accuracies, then the gaps as intervals. Readable without colour."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from benchbase.board import words
from benchbase.board.entry import OWN_BASE, RECOMPUTED, UNPRUNED, Entry, Gap
from benchbase.board.picture import draw, scale_of
from benchbase.board.row import WEIGHTS, Row
from benchbase.board.stats import Interval
from benchbase.board.table import Table
from benchbase.board.tier import MEANING, TIERS
from benchbase.board.verdict import ENOUGH, LITTLE, MATTER, SCRATCH, UNDECIDED

STYLES = {MATTER: "bold green", LITTLE: "green", ENOUGH: "bold cyan", SCRATCH: "bold magenta", UNDECIDED: "yellow"}
ASCII = str.maketrans({"±": "+-", "−": "-", "–": "-", "×": "x", "·": "-", "…": "...", "†": "*", "→": ">",
                       "●": "o", "─": "-", "│": "|", "┊": ":", "├": "[", "┤": "]", "◂": "<", "▸": ">"})
RANKED = (("finetune-matched", "finetune"), ("scratch-matched", "scratch-b", "scratch-e"))  # of each pair or triple the first that is there
PICTURES = (33, 25, 19)  # widths of a drawn interval, the widest that fits is taken


def render(tables: Sequence[Table]) -> RenderableType:
    """The tables as a renderable of rich that takes the width it is given: 80 columns do, 100 do well."""
    return Board(tuple(tables))


@dataclass(frozen=True)
class Pen:
    """Text without control characters or markup, in ASCII where the terminal has no more."""

    ascii: bool = False

    def __call__(self, text: object, style: str = "") -> Text:
        return self.drawn(words.plain(text, 2000), style)

    def drawn(self, text: str, style: str = "") -> Text:
        """Text of our own, spaces kept."""
        return Text(text.translate(ASCII).encode("ascii", "replace").decode() if self.ascii else text, style)

    def lines(self, *lines: Text) -> Text:
        """Lines of one cell, empty ones left out."""
        return Text("\n").join(line for line in lines if line.plain)


@dataclass(frozen=True)
class Notes:
    """Footnotes of one table, numbered as they are first asked for."""

    numbers: dict[str, int] = field(default_factory=dict)

    def mark(self, texts: Iterable[str]) -> str:
        found = [str(self.numbers.setdefault(text, len(self.numbers) + 1)) for text in texts]
        return f" [{','.join(found)}]" if found else ""


@dataclass(frozen=True)
class Board:
    """Tables one beneath the other."""

    tables: tuple[Table, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        pen = Pen(options.ascii_only)
        if not self.tables:
            yield pen("There are no records yet: `bench run` writes some.")
        for table in self.tables:
            yield from _section(table, pen, lambda grid: Measurement.get(console, options.update(width=1000), grid).maximum <= options.max_width)


def _section(table: Table, pen: Pen, fits: Callable[[Grid], bool]) -> Iterator[RenderableType]:
    notes = Notes()
    yield Rule(pen(f"{table.setting.dataset} · {table.setting.model}", "bold"), align="left", style="dim")
    yield from _answers(table, pen)
    for kind in table.kinds:
        rows = [row for row in table.rows if row.kind == kind]
        yield Text()
        layouts = (accuracies(table, rows, pen, notes, lines=2), accuracies(table, rows, pen, notes, lines=3))
        yield next((grid for grid in layouts if fits(grid)), None) or listing(rows, pen, notes)
        if any(row.gaps for row in rows):
            yield Text()
            drawn = [gaps(table, rows, pen, width) for width in PICTURES]
            yield next((grid for grid in drawn if fits(grid)), None) or gaps(table, rows, pen, 0)
        if any(row.ranks for row in rows):
            yield Text()
            yield standings(rows, pen)
    yield from _footnotes(table, pen, notes)
    yield Text()


def _answers(table: Table, pen: Pen) -> Iterator[RenderableType]:
    """The question and its answers, then what they stand on."""
    yield pen(words.QUESTION, "bold")
    for word, rows in words.answers(table):
        yield Padding(Text.assemble(pen(word, STYLES.get(word, "bold")), pen.drawn(": "), pen(rows)), (0, 0, 0, 2))
    yield pen(words.base(table), "" if table.base.converged else "yellow")
    yield pen(f"Base: {words.recipe(table.setting.recipe)}. Fine-tuning: {words.recipe(table.setting.finetune)}.", "dim")


def columns_of(table: Table, rows: Sequence[Row]) -> list[str]:
    """The protocols worth a column: those of the rows, but for what stands in a cell of another or in a sentence above."""
    there = [p for p in table.protocols if any(row.entry(p) for row in rows)]
    return [p for p in there if not p.endswith(RECOMPUTED) and not p.startswith("unpruned-")]


def accuracies(table: Table, rows: Sequence[Row], pen: Pen, notes: Notes, lines: int) -> Grid:
    """A row a method and budget, a column a protocol; mean and deviation in one line of a cell or in two."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2 if lines == 2 else 1, 0, 0), show_edge=False, leading=1)
    columns = columns_of(table, rows)
    grid.add_column(pen.lines(pen("method"), pen("budget, n", "dim")), max_width=24, overflow="fold")
    left = ("nonzero", "their MACs") if rows[0].kind == WEIGHTS else ("params", "MACs")
    grid.add_column(pen.lines(pen(left[0]), pen(left[1])), no_wrap=True)
    for protocol in columns:
        grid.add_column(pen.drawn(words.plain(protocol).replace("-", "-\n", 1)), no_wrap=True)
    for row in rows:
        grid.add_row(_who(row, pen, notes), _size(row, pen), *(_cell(row, p, pen, lines) for p in columns))
    return grid


def listing(rows: Sequence[Row], pen: Pen, notes: Notes) -> Grid:
    """A line a protocol: where columns do not fit."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, leading=1)
    grid.add_column(pen("method"), max_width=24, overflow="fold")
    grid.add_column(pen("protocol"))
    for name in ("top-1", "n", "epochs"):
        grid.add_column(pen(name), justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    for row in rows:
        head = pen.lines(_who(row, pen, notes), _size(row, pen))
        cells = [[pen(e.protocol), pen(" ".join(words.accuracy(e))), pen(e.n), pen(words.epochs(e.epochs)), pen(e.link)] for e in row.entries]
        grid.add_row(head, *(Text("\n").join(column) for column in zip(*cells)))
    return grid


def gaps(table: Table, rows: Sequence[Row], pen: Pen, picture: int) -> Grid:
    """What inherited weights gain over fresh ones: in numbers, drawn over `picture` characters, and in the word that it earns."""
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, leading=1)
    scale = scale_of((line[2] for row in rows for line in _intervals(row)), table.delta)
    grid.add_column(pen("method"), max_width=18, overflow="fold")
    grid.add_column(pen("verdict"), max_width=14)
    grid.add_column(pen("points of top-1"), no_wrap=True)
    grid.add_column(pen("mean [95 %]"), no_wrap=True)
    if picture:
        grid.add_column(pen.drawn("scratch ◂0▸ weights".center(picture)), no_wrap=True, min_width=picture)
    for row in rows:
        if row.gaps:
            told = list(_intervals(row))
            cells = [pen.lines(*(pen(line[i], line[3]) for line in told)) for i in (0, 1)]
            if picture:
                cells.append(pen.lines(*(pen.drawn(draw(interval, scale, table.delta, picture), style) for _, _, interval, style in told)))
            grid.add_row(pen.lines(pen(row.who.label), pen(row.goal.label, "dim")), pen(words.says(row), STYLES.get(row.verdict.word, "dim")), *cells)
    return grid


def _intervals(row: Row) -> Iterator[tuple[str, str, Interval, str]]:
    """(what, in numbers, to draw, style), a line each: the gaps, and beneath the first the interval over seeds and test images."""
    for gap in row.gaps:
        yield _sides(gap), _points(row, gap), gap.interval, _grey(gap.name)
        if gap.crossed and words.sample(gap):
            yield "with the test sample", words.interval(gap.crossed), gap.crossed, "dim"


def standings(rows: Sequence[Row], pen: Pen) -> Grid:
    """Ranks at common points, of the pruned networks trained on and of the fresh ones."""
    there = {rank.protocol for row in rows for rank in row.ranks}
    columns = [p for group in RANKED if (p := next((p for p in group if p in there), ""))] or sorted(there)[:1]
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in ("method", "budget", "point", *(f"rank, {p}" for p in columns)):
        grid.add_column(pen(name), overflow="fold")
    for row in rows:
        if row.size:
            grid.add_row(pen(row.who.label), pen(row.goal.label, "dim"), pen(words.place(row)), *(pen(words.rank(row, p)) for p in columns))
    return grid


def _sides(gap: Gap) -> str:
    return "finetune − scratch, matched" if gap.name == "matched" else words.gap_name(gap)


def _points(row: Row, gap: Gap) -> str:
    return words.interval(gap.interval) + (f" n {gap.interval.n}" if gap.interval.n != len(row.seeds) else "")


def _grey(name: str) -> str:
    """The paper's own gaps stand beside the one at equal compute, in grey."""
    return "" if name == "matched" else "dim"


def _who(row: Row, pen: Pen, notes: Notes) -> Text:
    """Method; budget asked, share removed, seeds that came through; how far its records were checked."""
    dagger = "" if row.who.published else " †"
    got = row.goal.achieved
    removed = f" → {100 * got.mean:.3g} %{' missed' if row.goal.missed else ''}" if got else ""
    done = len({seed for e in row.entries for seed in e.seeds})
    return pen.lines(pen(f"{row.who.label}{dagger}{notes.mark(row.flags)}"),
                     pen(f"{row.goal.label}{removed}, n {done}{f' of {len(row.seeds)}' if done < len(row.seeds) else ''}", "dim"),
                     pen(str(row.tier) if row.tier.records else "", "dim"))


def _size(row: Row, pen: Pen) -> Text:
    if row.size is None:
        return pen(words.NOTHING)
    left = (row.size.nonzero, row.size.macs_nonzero) if row.kind == WEIGHTS else (row.size.params, row.size.macs)
    factors = (row.size.compression, row.size.speedup)
    return pen.lines(*(pen(f"{words.many(v)}{f' ({f:.1f}×)' if f else ''}") for v, f in zip(left, factors)))


def _cell(row: Row, protocol: str, pen: Pen, lines: int) -> Text:
    entry = row.entry(protocol)
    mean, std = words.accuracy(entry)
    std = std.replace("± ", "±")
    top = [pen(f"{mean} {std}")] if lines == 2 else [pen(mean), pen(std)]
    return pen.lines(*top, *_beneath(row, entry, pen)) if entry else pen(mean)


def _beneath(row: Row, entry: Entry, pen: Pen) -> Iterator[Text]:
    """The small lines of a cell: seeds that are missing, BN recomputed, epochs and the letter of shared runs."""
    if lost := len({m.seed for m in entry.failed}):
        yield pen(f"{lost} failed", "red")
    if entry.n and entry.n != len(row.seeds):
        yield pen(f"n {entry.n}", "dim")
    again = row.entry(entry.protocol + RECOMPUTED)
    if again and again.mean is not None:
        yield pen(f"BN {again.mean:.2f}", "dim")
    small = [f"{words.epochs(entry.epochs)} ep"] if entry.epochs and entry.epochs.high and entry.protocol not in (UNPRUNED, OWN_BASE) else []
    if small or entry.link:
        yield pen(" ".join([*small, entry.link]), "dim")


def _footnotes(table: Table, pen: Pen, notes: Notes) -> Iterator[RenderableType]:
    dense = next((row.size.dense for row in table.rows if row.size), None)
    yield Text()
    if dense:
        yield pen(f"Top-1 in percent, mean ± sample deviation over seeds; ep: epochs of the last training. Dense: {words.si(dense.params)} params, "
                  f"{words.si(dense.macs)} MACs (one multiply-add counts once, convolutions and linear layers). ┊: ±{table.delta:g} points.", "dim")
    for text, number in notes.numbers.items():
        yield pen(f"[{number}] {text}")
    for link in table.links:
        yield pen(f"{link.letter}: {words.link(link)}")
    for word in (t for t in TIERS if any(row.tier.word == t and row.tier.records for row in table.rows)):
        yield pen(f"{word}: {MEANING[word]}", "dim")
    if any(not row.who.published for row in table.rows):
        yield pen("†: not published")
    for flag in table.flags:
        yield pen(f"! {flag}", "yellow")
    if table.setting.dataset.startswith("digits"):
        yield pen(words.SMOKE, "dim")
