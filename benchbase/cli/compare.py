"""`bench compare`: two methods, budgets or sets of records, paired by seed; an exit code for scripts."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchbase.cli import complete
from benchbase.cli.options import json_option, traceback_option
from benchbase.cli.output import columns, count, out, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchbase.board.compare import Comparison, Contrast, GapContrast
    from benchbase.board.condition import Condition
    from benchbase.values.record import Record
LEGEND = """\
A, B: means over the seeds that both have; change: B − A, with its 95 % interval over seeds, and in brackets beside it over seeds and test images.
p: of no change, then corrected for all comparisons here (Holm). Only A right: test images that A's network alone has right."""


@click.command("compare")
@click.argument("a", metavar="A", shell_complete=complete.methods)
@click.argument("b", metavar="B", shell_complete=complete.methods)
@click.option("--fail-if", "conditions", multiple=True, metavar="METRIC:LIMIT",
              help="Exit with 1 where B is so much worse than A: top1:-0.5pp, loss:+5%, params:+0%, macs:+1%; top1.low and top1.high ask the ends "
                   "of the interval. Repeatable.")
@click.option("--leaderboard", default="leaderboard", metavar="DIR", shell_complete=complete.folders,
              help="Where methods and budgets are looked up.  [default: ./leaderboard]")
@click.option("--protocol", "protocols", multiple=True, metavar="NAME", shell_complete=complete.offered("protocols"),
              help="Only these. Repeatable.  [default: all that both sides have]")
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", shell_complete=complete.datasets, help="Only these. Repeatable.")
@click.option("--model", "models", multiple=True, metavar="NAME", shell_complete=complete.models, help="Only these. Repeatable.")
@json_option
@traceback_option
def command(a: str, b: str, conditions: tuple[str, ...], leaderboard: str, as_json: bool, **only: tuple[str, ...]) -> int:
    """Say what B changes against A, the baseline: in top-1, loss, parameters and multiply-adds, seed by seed on the same data set, model, recipe,
    protocol and budget, with 95 % intervals.

    A and B are methods (l1-norm, thinet[images=64]), methods at a budget (l1-norm@0.5), budgets (0.5, macs=0.5), or folders and files of
    records. Two folders pair by method and budget, whatever the version of the method: before a change and after it. Where a method and a
    folder have one name, the name is the method and ./NAME the folder.

    \b
    --fail-if METRIC[.END]:LIMIT, the change B - A, with its sign:
      top1:-0.5pp       the mean falls by more than 0.5 points
      top1.low:-0.5pp   a fall by more than 0.5 points cannot be excluded (strict: it takes seeds to pass)
      top1.high:-0.5pp  a fall by more than 0.5 points is certain (lenient: it takes seeds to fail)
      loss:+5%          loss:+0.02       params:+0%       macs:+1%       nonzero:+0%

    \b
    Exit codes: 0 no condition holds, 1 one does, 2 the command or a file was wrong, or nothing pairs.

    \b
    Examples:
      bench compare l1-norm thinet
      bench compare l1-norm@0.5 l1-norm@0.75 --protocol finetune
      bench compare main/leaderboard leaderboard --fail-if top1:-0.5pp --fail-if macs:+0%
    """
    from benchbase.board.compare import compare
    from benchbase.board.condition import condition

    asked = [condition(text) for text in conditions]
    comparison = compare(*sides(a, b, leaderboard, only))
    failing = {c.text: comparison.failing(c) for c in asked}
    if as_json:
        print_json(document(comparison, failing))
    else:
        tell(comparison, asked, failing)
    return int(any(failing.values()))


def sides(a: str, b: str, leaderboard: str, only: dict[str, tuple[str, ...]]) -> Any:
    """The two sides, of the protocols, data sets and models that are asked for."""
    from dataclasses import replace

    from benchbase.board.side import is_bare, side, told
    from benchbase.cli.run import defaults
    from benchbase.plugin.manager import load_plugins
    from benchbase.values.record import load_records

    known = defaults(load_plugins())
    paths = all(Path(text).exists() for text in (a, b))
    asked = not paths or (Path(leaderboard).exists() and any(is_bare(text) and text != leaderboard for text in (a, b)))
    board = told(load_records(Path(leaderboard)), known) if asked else []

    def wanted(r: Record) -> bool:
        said = (("protocols", r.protocol), ("datasets", r.dataset.name), ("models", r.model))
        return all(not only[name] or value in only[name] for name, value in said)
    return [replace(one, records=tuple(t for t in one.records if wanted(t.record))) for one in (side(text, board, known) for text in (a, b))]


def tell(comparison: Comparison, asked: Sequence[Condition], failing: dict[str, list[Contrast]]) -> None:
    """The contrasts, the gaps and the conditions, for people."""
    out(f"B − A, paired by seed. A: {comparison.a.name} ({comparison.a.kind}), B: {comparison.b.name} ({comparison.b.kind})")
    for contrast in comparison.contrasts:
        out()
        out(f"{contrast.label}: {contrast.word or 'no verdict'}{f' (provisional, {len(contrast.seeds)} of 5 seeds)' if contrast.provisional else ''}")
        for line in columns(list(rows(contrast))):
            out(line)
        for line in networks(contrast):
            out(line)
    for gap in comparison.gaps:
        out()
        out(gap_line(gap))
    if comparison.contrasts:
        out()
        out(LEGEND)
    left = [f"{n} of {name}" for n, name in zip(comparison.unpaired, "AB") if n]
    if left:
        out(f"\nwithout a partner: {count(sum(comparison.unpaired), 'record')} ({', '.join(left)})")
    if asked:
        out()
    for one in asked:
        found = failing[one.text]
        out(f"{'FAIL' if found else 'ok'}: {one.text}" + (f" in {'; '.join(c.label for c in found)}" if found else ""))


def rows(contrast: Contrast) -> Iterator[tuple[str, ...]]:
    """Metric, mean of A, mean of B, change, interval."""
    from benchbase.board import words

    n = f"n {len(contrast.seeds)}"
    yield "", "A", "B", "change", "95 %, seeds", n if contrast.crossed is None else f"{n}; with the test sample"
    for name, unit in (("top1", "pp"), ("loss", ""), ("params", "%"), ("macs", "%"), ("nonzero", "%")):
        one, two = contrast.means[name]
        change = contrast.changes[name, unit]
        value = (lambda x: f"{x:.2f}") if unit == "pp" else (lambda x: f"{x:.4f}") if name == "loss" else words.si
        ends = "–" if change.low is None or change.high is None else f"[{_signed(change.low, name)}, {_signed(change.high, name)}]"
        second = ""
        if name == "top1":
            sample = words.ends(contrast.crossed)
            second = f"{sample and f'{sample}; '}p {contrast.p:.2g}, {contrast.adjusted:.2g} by Holm"
        yield name, value(one), value(two), _signed(change.mean, name) + (f" {unit}" if unit else ""), ends, second


def networks(contrast: Contrast) -> Iterator[str]:
    """McNemar's test of each seed's two networks."""
    from benchbase.board.mcnemar import TITLE

    if contrast.same == contrast.seeds:
        return
    for seed, test in contrast.networks.items():
        yield (f"  {TITLE}, seed {seed}: only A right {test.only_a}, only B right {test.only_b}, "
               f"McNemar's exact p {test.exact:.2g}, mid-p {test.mid:.2g}")


def gap_line(gap: GapContrast) -> str:
    """The difference of two gaps in one line."""
    from benchbase.board.entry import GAPS
    from benchbase.board.words import interval

    inherited, scratch = next(sides for name, *sides in GAPS if name == gap.name)
    shared = "" if not gap.shared else f"; A and B share their scratch runs: this is {inherited} alone" if gap.shared == gap.seeds \
        else f"; {count(len(gap.shared), 'seed')} with one scratch run for both"
    where = gap.a if gap.a == gap.b else f"{gap.a} → {gap.b}"
    return (f"({inherited} − {scratch}) of B, less that of A, {where}, {gap.model} on {gap.dataset}: {interval(gap.interval)}, "
            f"n {len(gap.seeds)}{shared}")


def document(comparison: Comparison, failing: dict[str, list[Contrast]]) -> dict[str, Any]:
    """The document of --json."""
    from dataclasses import asdict

    def contrast(c: Contrast) -> dict[str, Any]:
        changes = {f"{name}{unit and ' ' + unit}": asdict(change) for (name, unit), change in c.changes.items()}
        return {"dataset": c.dataset, "model": c.model, "protocol": c.protocol, "a": c.a, "b": c.b, "seeds": list(c.seeds), "verdict": c.word or None,
                "provisional": c.provisional, "delta": c.delta, "means": {name: {"a": a, "b": b} for name, (a, b) in c.means.items()},
                "changes": changes, "p": c.p, "p_holm": c.adjusted,
                "crossed": asdict(c.crossed) if c.crossed else None, "same_runs": list(c.same),
                "these_two_networks": {str(seed): asdict(test) for seed, test in c.networks.items()}}

    conditions = [{"condition": text, "holds": bool(found), "where": [c.label for c in found]} for text, found in failing.items()]
    return {"a": {"name": comparison.a.name, "kind": comparison.a.kind, "unpaired": comparison.unpaired[0]},
            "b": {"name": comparison.b.name, "kind": comparison.b.kind, "unpaired": comparison.unpaired[1]},
            "contrasts": [contrast(c) for c in comparison.contrasts], "gaps": [asdict(g) for g in comparison.gaps], "conditions": conditions,
            "failed": any(failing.values())}


def _signed(number: float, name: str) -> str:
    from benchbase.board.words import signed

    return f"{number:+.4f}".replace("-", "−") if name == "loss" else signed(number)
