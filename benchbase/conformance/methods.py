"""Checks of a pruning method: what it says of itself, and what it does to four small networks at several budgets."""
from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchbase.conformance import callbacks, fields, ground
from benchbase.conformance.trial import Trial, decides, trial
from benchbase.flow.cells import identified
from benchbase.plugin.manager import Offer
from benchbase.values.budget import Budget
from benchbase.values.digest import digest

Pairs = Iterator[tuple[str, str]]
RATIOS = (0.5, 0.3)
LOOSE = 0.15  # how far from the ratio an automatic method may land on a network of some dozen channels


@dataclass(frozen=True)
class Subject:
    """A method with what its checks share. root: the folder of downloaded data, which no method reads."""

    offer: Offer
    root: Path

    @cached_property
    def method(self) -> Any:
        """With its defaults."""
        return self.offer.value()

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """What it is asked for: ratios, a share of the multiply-adds where widths follow from it, a block by name where it drops blocks."""
        asked = tuple(Budget(ratio=ratio) for ratio in RATIOS)
        if self.method.granularity == "block":
            return (*asked, Budget(dropped=("features.1",), name="features.1"))
        return asked if decides(self.method) else (*asked, Budget(macs=0.5))

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every budget on every network."""
        return tuple(trial(self.method, network, budget) for network in ground.NETWORKS for budget in self.budgets
                     if not budget.dropped or network == "residual")

    @property
    def done(self) -> list[Trial]:
        """Those that ended in a valid choice."""
        return [t for t in self.trials if t.selection is not None]


def metadata(subject: Subject) -> Pairs:
    """Paper, version and keep_at_least are there; what the method chooses is of the granularity that it declares."""
    cls = subject.offer.value
    if not isinstance(cls.paper, str) or not cls.paper.strip():
        yield "it names no paper", "give paper = 'Authors. Title. Venue year', or 'unpublished'"
    if isinstance(cls.version, bool) or not isinstance(cls.version, int) or cls.version < 1:
        yield f"its version is {cls.version!r}", "count results that changed: version = 1, then 2"
    if cls.keep_at_least not in (0, 1):
        yield f"keep_at_least is {cls.keep_at_least!r}", "0: a layer that loses everything is an error; 1: it keeps its best channel"
    for t in subject.done:
        chosen = t.selection
        assert chosen is not None
        made = "weight" if chosen.masks else "block" if chosen.dropped else "channel" if any(
            len(chosen.kept[g.name]) < g.width for g in t.groups) else cls.granularity
        if made != cls.granularity:
            yield f"it declares granularity {cls.granularity!r} and chooses {made}s ({t.where})", f"declare granularity = {made!r}"
            return


def identity(subject: Subject) -> Pairs:
    """A method enters keys by its name, version and fields, and goes to other processes: equal there, and with the same key."""
    method = subject.method
    if is_dataclass(method) and subject.offer.value() != method:
        yield "two instances with the same parameters are not equal", "keep state out of the method: fields hold parameters and nothing else"
    try:
        back = pickle.loads(pickle.dumps(method))
        if digest(list(identified(back).identity)) != digest(list(identified(method).identity)):
            yield "its key changes when it goes to another process", "let __init__ and __post_init__ depend on nothing but the fields"
    except Exception as error:  # noqa: BLE001 -- pickling runs the plugin's code
        yield f"it does not go to another process: {type(error).__name__}: {error}", "define the class at the top of its module, with plain fields"
    held = {k: v for k, v in vars(method).items() if k not in getattr(method, "__dataclass_fields__", {})}
    if held:
        yield f"it holds {', '.join(held)} beside its fields", "what selection depends on is a field; what it computes lives in a local variable"


def applies(subject: Subject) -> Pairs:
    """It runs on at least one of the networks."""
    if subject.trials and all(t.refused for t in subject.trials):
        yield f"it applies to none of the networks: {subject.trials[0].refused} ({subject.trials[0].where})", "say what it needs in its docstring; it must run somewhere"


def exact_budget(subject: Subject) -> Pairs:
    """A predefined target is met to the channel; an automatic one decides by itself and lands near what was asked."""
    for t in subject.done:
        said = missed(subject.method, t)
        if said:
            yield f"{said} ({t.where})", ("keep budget.keep(group) channels of each group" if not decides(subject.method) else
                                           "a number is the fraction of all channels (or weights) in scope that goes")
            return


def missed(method: Any, t: Trial) -> str:
    """By how much a trial misses its budget, in words; "" where it does not."""
    chosen = t.selection
    assert chosen is not None
    if not decides(method):
        wrong = next((g for g in t.groups if len(chosen.kept[g.name]) != t.budget.keep(g)), None)
        return f"it keeps {len(chosen.kept[wrong.name])} of {wrong.width} channels of {wrong.name}, the budget says {t.budget.keep(wrong)}" if wrong else ""
    if t.asked.dropped:
        return "" if set(chosen.dropped) == set(t.asked.dropped) else f"it drops {', '.join(chosen.dropped) or 'nothing'}, the budget says {t.asked.label}"
    if method.granularity == "block" or t.asked.ratio is None:
        return ""
    if chosen.masks:
        whole, stay = sum(m.numel() for m in chosen.masks.values()), sum(int(m.sum()) for m in chosen.masks.values())
    else:
        whole, stay = sum(g.width for g in t.groups), sum(len(chosen.kept[g.name]) for g in t.groups)
    gone = 1 - stay / whole if whole else 0.0
    return f"it removes {gone:.0%} where {t.asked.ratio:.0%} were asked for" if abs(gone - t.asked.ratio) > LOOSE else ""


def deterministic(subject: Subject) -> Pairs:
    """The same seed, the same choice and the same weights, whatever ran before."""
    for first in (t for t in subject.done if t.asked == subject.budgets[0] or t.asked.dropped):
        again = trial(subject.method, first.network, first.asked)
        if again.selection is None or not same(first, again):
            yield f"run again with the same seed it gives something else ({first.where})", "draw from net.generator, order ties, keep nothing between calls"
            return


def same(one: Trial, two: Trial) -> bool:
    """Whether two trials chose the same and left the same weights."""
    a, b = one.selection, two.selection
    assert a is not None and b is not None
    masks = a.masks.keys() == b.masks.keys() and all(bool((m == b.masks[n]).all()) for n, m in a.masks.items())
    return masks and (a.kept, a.reads, a.dropped, one.weights) == (b.kept, b.reads, b.dropped, two.weights)


def rule(name: str) -> Any:
    """The check that no trial broke a rule: its first breach, and in how many trials."""
    def check(subject: Subject) -> Pairs:
        found: dict[str, list[tuple[Trial, str]]] = {}
        for t in subject.trials:
            for broken, what, todo in t.wrong:
                if broken == name:
                    found.setdefault(what, []).append((t, todo))
        for what, trials in list(found.items())[:2]:
            more = f", and in {len(trials) - 1} other trials" if len(trials) > 1 else ""
            yield f"{what} ({trials[0][0].where}{more})", trials[0][1]
    return check


CHECKS = (
    ("name", lambda s: fields.named(s.offer)), ("docs", lambda s: fields.documented(s.offer)), ("parameters", lambda s: fields.parameters(s.offer.value)),
    ("identity", identity), ("metadata", metadata), ("select", rule("select")), ("applies", applies), ("selection", rule("selection")),
    ("exact-budget", exact_budget), ("zeroed-is-sliced", rule("zeroed-is-sliced")), ("deterministic", deterministic),
    ("copy-only", rule("copy-only")), ("no-test-data", rule("no-test-data")), ("random-state", rule("random-state")), ("modes", rule("modes")),
    ("hooks", rule("hooks")), ("shapes", rule("shapes")), ("finite", rule("finite")), *callbacks.CHECKS)
