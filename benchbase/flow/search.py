"""The bases of a method's own, each with the choice made on it: one, or as many as its search for the budget takes."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchbase.errors import BenchError
from benchbase.flow import stages
from benchbase.flow.cells import Cell, identified
from benchbase.flow.do import as_failure
from benchbase.flow.store import Done
from benchbase.nets.method import Callback
from benchbase.values.budget import Budget
from benchbase.values.digest import digest

UNITS = {"channel": "channels", "block": "blocks", "weight": "weights"}  # what a ratio counts


@dataclass(frozen=True)
class Trial:
    """A base and the choice made on it; stand-ins where a plan has not run them. inputs: of the stage that trained the base, or would have.
    pruned: None where there was nothing to prune, for the reason in `why`."""

    callback: Any
    inputs: Mapping[str, Any]
    own: Any
    pruned: Any
    why: BenchError | None = None

    @property
    def report(self) -> Mapping[str, Any] | None:
        """What came of the choice, as in report.json."""
        return self.pruned.info["report"] if self.pruned else None


def tried(cell: Cell, budget: Budget, callback: Any, plain: Any, dense: Mapping[str, Any], do: Callable[..., Any],
          waits: Any = None) -> list[Trial]:
    """Train and prune with what the method does to training, and again while its search goes on; on the plain base where it does nothing.

    callback: the first.  dense: inputs of the stage that trained the plain base.  waits: the stage that a plan must wait for to know the
    budget, None once it is known; it only enters plans' keys. In a plan the trials that the search may take stand
    for those that it will take.
    """
    trials: list[Trial] = []
    while True:
        trials.append(trial(cell, budget, callback, plain, dense, do, waits))
        if callback is None or len(trials) >= cell.method.trials:
            return trials
        if isinstance(trials[-1].pruned or trials[-1].why, (Done, BenchError)):
            callback = asked(cell, "search", lambda: cell.method.search(budget, [(t.callback, t.report) for t in trials]))
            if callback is None:
                return trials
        else:
            return [*trials, *foreseen(cell, budget, trials[-1], len(trials), do)]


def trial(cell: Cell, budget: Budget, callback: Any, plain: Any, dense: Mapping[str, Any], do: Callable[..., Any], waits: Any = None) -> Trial:
    """One base and the choice made on it. A search takes nothing to prune as an answer; a method that does not search has failed."""
    inputs = dense if callback is None else {**dense, "callback": identified(callback), "after": waits}
    own = base(cell, callback, plain, inputs, do)
    try:
        return Trial(callback, inputs, own, chosen(cell, budget, own, inputs, do, waits))
    except BenchError as error:
        if error.kind != "not_applicable" or callback is None or cell.method.trials == 1:
            raise
        return Trial(callback, inputs, own, None, error)


def base(cell: Cell, callback: Any, plain: Any, inputs: Mapping[str, Any], do: Callable[..., Any]) -> Any:
    """What a method prunes: the plain base, one of its own, or the dense network before its first step."""
    if cell.method.untrained:
        return do(stages.train, f"first weights of {cell.work.label} seed {cell.seed}", **{**inputs, "recipe": replace(inputs["recipe"], epochs=0)})
    return plain if callback is None else do(stages.train, f"base of {cell.label}", **inputs)


def chosen(cell: Cell, budget: Budget, own: Any, inputs: Mapping[str, Any], do: Callable[..., Any], after: Any = None) -> Any:
    """The prune stage on a base."""
    run = {name: inputs[name] for name in ("architecture", "seed", "data", "machine")}
    return do(stages.prune, cell.label, method=identified(cell.method), budget=budget, weights=own,
              recipe=cell.work.finetune if cell.method.tunes else None, again=cell.work.recipe if cell.method.restarts else None, after=after, **run)


def foreseen(cell: Cell, budget: Budget, last: Trial, count: int, do: Callable[..., Any]) -> list[Trial]:
    """Stand-ins for the trials that may follow `last`, the `count`-th: a plan says "at most"."""
    found = []
    for number in range(count, cell.method.trials):
        inputs = {**last.inputs, "callback": ("trial", number, cell.method.name), "after": last.pruned}
        own = do(stages.train, f"base of {cell.label}", **inputs)
        found.append(Trial(None, inputs, own, chosen(cell, budget, own, inputs, do, after=last.pruned)))
    return found


def nearest(trials: Sequence[Trial], cell: Cell, budget: Budget) -> Trial:
    """The trial that came nearest to the budget, of equals the first; a stand-in where a plan has not run them all.

    Raises BenchError, kind "not_applicable", where none had anything to prune.
    """
    if len(trials) == 1 and trials[0].why is None:
        return trials[0]
    some = [t for t in trials if t.why is None]
    if not some:
        raise trials[-1].why or BenchError("nothing was pruned", kind="not_applicable")
    if waits := next((t.pruned for t in some if not isinstance(t.pruned, Done)), None):
        return Trial(None, {**some[0].inputs, "after": waits}, waits, waits)
    return min(some, key=lambda t: budget.missed(t.pruned.info["report"]["achieved"], UNITS[cell.method.granularity]))


def asked(cell: Cell, what: str, question: Callable[[], Any]) -> Any:
    """The callback that the method answers with, or None. Whatever it raises, and any other answer, is its failure.

    what: the name of the question.
    """
    try:
        answer = question()
        if not isinstance(answer, Callback | None):
            raise TypeError(f"{what} gave {type(answer).__name__}, not a Callback or None")
        if answer is not None:
            digest(identified(answer).identity)  # TypeError for a field that no key can hold
        return answer
    except (Exception, SystemExit) as error:
        raise as_failure(error, f"method {cell.method.name}") from error
