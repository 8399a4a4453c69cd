"""Numbers and names as tables say them, for Markdown and terminal alike."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchbase.board.curve import factor_of
from benchbase.board.entry import Entry, Gap
from benchbase.board.labels import written
from benchbase.board.row import Row, Who
from benchbase.board.shared import Link
from benchbase.board.stats import Interval, Spread
from benchbase.board.table import Table
from benchbase.board.verdict import WORDS
from benchbase.values.recipe import Recipe
from benchbase.values.escape import plain as plain

NOTHING = "–"
QUESTION = "Weights or architecture?"
CONVENTION = ("One multiply-add counts once; convolutions and linear layers, biases left out. Parameters, and what is not zero of both, come from "
              "the same count; compression and speed-up are dense over pruned.")
SMOKE = "digits is a smoke test, not evidence: it shows pipeline, controls and budgets; at convergence all protocols lie within a point."
UNMEASURED = "finetune-matched, scratch-matched and unpruned-long over 5 seeds would tell"


def si(number: float) -> str:
    """A count in three digits.

    >>> si(999), si(35_120), si(1_254_000), si(999_999)
    ('999', '35.1k', '1.25M', '1.00M')
    """
    for factor, unit in ((1, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"), (1e15, "P"), (1e18, "E")):
        scaled = number / factor
        text = f"{scaled:.0f}" if not unit and scaled == int(scaled) else f"{scaled:.{0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2}f}"
        if float(text) < 1000:
            return f"{text}{unit}"
    return f"{number:.2e}"


def many(values: Spread) -> str:
    """A count over seeds: its range where seeds differ.

    >>> many(Spread(35_120, 35_000, 35_300)), many(Spread(24, 24, 24))
    ('35.0k–35.3k', '24')
    """
    low, high = si(values.low), si(values.high)
    return low if low == high else f"{low}–{high}"


def epochs(values: Spread | None) -> str:
    """Epochs, their range where seeds differ."""
    if values is None:
        return NOTHING
    return f"{values.low:.0f}" if values.low == values.high else f"{values.low:.0f}–{values.high:.0f}"


def accuracy(entry: Entry | None) -> tuple[str, str]:
    """("97.31", "± 0.24"): mean and sample deviation of top-1; the latter is "" for one seed, the former a dash for none."""
    if entry is None or entry.mean is None:
        return NOTHING, ""
    return f"{entry.mean:.2f}", "" if entry.std is None else f"± {entry.std:.2f}"


def signed(number: float) -> str:
    """Points with their sign; zero has none.

    >>> signed(0.314), signed(-1.0), signed(-0.001)
    ('+0.31', '−1.00', '0.00')
    """
    text = f"{number:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def interval(gap: Interval) -> str:
    """The mean with its interval.

    >>> interval(Interval(-0.1, -0.4, 0.2, 3))
    '−0.10 [−0.40, +0.20]'
    """
    if gap.low is None or gap.high is None:
        return f"{signed(gap.mean)} (one seed)"
    return f"{signed(gap.mean)} [{signed(gap.low)}, {signed(gap.high)}]"


def sample(gap: Gap) -> str:
    """A gap's second interval, in which the test sample varies as well; "" where there is none."""
    return ends(gap.crossed)


def ends(found: Interval | None) -> str:
    """An interval's ends; "" where it has none."""
    return "" if found is None or found.low is None or found.high is None else f"[{signed(found.low)}, {signed(found.high)}]"


def rank(row: Row, protocol: str) -> str:
    """Where a row stands under a protocol among those at its common point.

    A range of ranks, of so many distinct networks; a dash where it has none, because it lies at no common point or is alone there.
    """
    found = next((r for r in row.ranks if r.protocol == protocol), None)
    if found is None:
        return NOTHING
    return f"{found.low if found.low == found.high else f'{found.low}–{found.high}'} of {found.of}"


def place(row: Row) -> str:
    """The common point that a row lies at, or the factor that is none."""
    factor = factor_of(row)
    return f"{row.point}×" if row.point else f"{factor:.3g}×, no common point" if factor else NOTHING


def gap_name(gap: Gap) -> str:
    """The two sides of a gap."""
    return f"{gap.a} − {gap.b}"


def recipe(said: Mapping[str, Any]) -> str:
    """A recipe in one line: epochs, batch, rate and schedule, and what is not as usual of the rest."""
    r = Recipe(**said)
    shape = {"cosine": "cosine to 0", "onecycle": "one cycle"}.get(r.schedule) or \
        (f"(×{r.gamma:g} at {', '.join(f'{m:g}' for m in r.milestones)})" if r.milestones else "constant")
    parts = [f"{r.epochs} epochs", f"batch {r.batch_size}", f"rate {r.lr:g} {shape}", f"decay {r.weight_decay:g}"]
    usual = Recipe()
    for name in ("momentum", "nesterov", "warmup", "label_smoothing", "decay_norms"):
        if getattr(r, name) != getattr(usual, name):
            parts.append(f"{name} {getattr(r, name)}")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """A time in the unit that fits.

    >>> duration(3.14), duration(600), duration(90_000)
    ('3.1 s', '10.0 min', '25.0 h')
    """
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def base(table: Table) -> str:
    """What is known of the base's convergence, in one sentence."""
    b = table.base
    if b.gain is None:
        return f"Base not known to have converged: no {'run of unpruned-long'}, so no verdicts."
    told = f"unpruned-long ({b.epochs} epochs) gains {interval(b.gain)} points over unpruned, n {b.gain.n}"
    if b.converged is None:
        return f"Base not known to have converged: {told}, but the longest scratch training took {b.longest} epochs. No verdicts."
    return f"Base converged: {told}; up to {table.delta:g} counts as none." if b.converged else f"Base not converged: {told}. No verdicts."


def answers(table: Table) -> list[tuple[str, str]]:
    """The table's answers, strongest first: (verdict, or "provisional", or "no verdict"; which rows, and why no word)."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for row in table.rows:
        word = says(row)
        groups.setdefault((word, row.verdict.reasons), []).append(row.label)
    order = [*WORDS, "provisional", "no verdict"]
    found = []
    for (word, reasons), labels in sorted(groups.items(), key=lambda item: order.index(item[0][0])):
        more = f" and {len(labels) - 6} more" if len(labels) > 6 else ""
        rows = "all rows" if len(labels) == len(table.rows) > 1 else ", ".join(labels[:6]) + more
        why = "; ".join((*reasons, UNMEASURED) if word == "no verdict" else reasons)
        found.append((word, rows + (f" ({why})" if why else "")))
    return found


def says(row: Row) -> str:
    """A row's verdict, or what stands in its place."""
    return row.verdict.word or ("provisional" if row.gap("matched") else "no verdict")


def small(row: Row, entry: Entry) -> str:
    """What stands in small beside an accuracy: n where it is not that of the whole row, failed seeds, epochs."""
    parts = [f"n {entry.n}"]
    if lost := len({m.seed for m in entry.failed}):
        parts.append(f"{lost} failed")
    if entry.epochs and entry.epochs.high:
        parts.append(f"{epochs(entry.epochs)} ep")
    return ", ".join(parts)


def measure(entry: Entry | None, name: str) -> str:
    """Another number of an entry; "" where it has none."""
    found = next((m for m in entry.measures if m.name == name), None) if entry else None
    return "" if found is None else f"{found.mean:.4g}" + ("" if found.std is None else f" ± {found.std:.2g}")


def link(shared: Link) -> str:
    """What a letter means."""
    if len(shared.rows) == 1:
        return f"{' and '.join(shared.protocols)} of {shared.rows[0]} are the same runs"
    return f"{'the same' if shared.whole else 'in part the same'} runs in {', '.join(shared.rows)} ({', '.join(shared.protocols)}): counted once"


def method(who: Who) -> str:
    """A method with all its parameters and where it comes from."""
    said = ", ".join(f"{name}={written(value)}" for name, value in who.params)
    where = who.distribution or ("file " + who.source[:12] if who.source else "file")
    return f"{who.name} v{who.version} ({where}{'; ' + said if said else ''})"
