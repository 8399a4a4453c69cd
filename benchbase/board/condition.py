"""Conditions on a change, as `bench compare --fail-if` takes them: top1:-0.5pp, loss:+5%, macs:+0%, top1.low:-1pp."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchbase.board.stats import Interval
from benchbase.errors import BenchError, unknown

METRICS = {"top1": ("pp",), "loss": ("%", ""), "params": ("%", ""), "macs": ("%", ""), "nonzero": ("%", ""), "macs_nonzero": ("%", "")}
ENDS = ("mean", "low", "high")
SAYS = {"pp": "points", "%": "percent", "": "as it is"}


@dataclass(frozen=True)
class Condition:
    """text: as given.  end: of the interval of the change.  limit: with its sign, in `unit`: "pp", "%" of the baseline, or "" as it is.
    falls: whether the condition is on a fall: -0 is no rise."""

    text: str
    metric: str
    end: str
    limit: float
    unit: str
    falls: bool

    def holds(self, changes: Mapping[tuple[str, str], Interval]) -> bool:
        """Whether a change goes beyond the limit: below a negative one, above a positive one.

        changes: (metric, unit) -> interval over seeds. BenchError for an end of one seed's interval, which it has not.
        """
        change = changes[self.metric, self.unit]
        value = getattr(change, self.end)
        if value is None:
            raise BenchError(f"--fail-if {self.text!r} asks for an end of an interval, and there is one pair of seeds",
                             f"run more seeds, or ask for the mean: {self.metric}:{self.text.partition(':')[2]}")
        return bool(value < self.limit - 1e-9 if self.falls else value > self.limit + 1e-9)


def condition(text: str) -> Condition:
    """The condition in METRIC[.END]:LIMIT. BenchError naming what is wrong.

    >>> condition("top1.low:-0.5pp")
    Condition(text='top1.low:-0.5pp', metric='top1', end='low', limit=-0.5, unit='pp', falls=True)
    """
    left, colon, right = text.strip().partition(":")
    metric, dot, end = left.partition(".")
    if not colon:
        raise BenchError(f"--fail-if {text!r} is no condition", "write METRIC:LIMIT, as top1:-0.5pp, loss:+5% or macs:+0%")
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if dot and end not in ENDS:
        raise unknown("end of an interval", end, ENDS)
    match = re.fullmatch(r"\s*([+-])?(\d+(?:\.\d*)?|\.\d+)\s*(pp|%)?\s*", right)
    if match is None or (match[3] or "") not in METRICS[metric]:
        units = " or ".join(f"{unit or 'no unit'} ({SAYS[unit]})" for unit in METRICS[metric])
        raise BenchError(f"--fail-if {text!r}: {right.strip() or 'nothing'} is no limit of {metric}", f"give a signed number with {units}")
    if match[1] is None:
        raise BenchError(f"--fail-if {text!r}: a fall or a rise?", f"write {left}:-{right.strip()} or {left}:+{right.strip()}")
    limit = float(match[1] + match[2])
    return Condition(text, metric, end or "mean", limit, match[3] or "", math.copysign(1, limit) < 0)
