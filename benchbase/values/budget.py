"""How much to prune."""
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import ROUND_FLOOR, Decimal
from fnmatch import fnmatchcase
from typing import Any, Protocol

from benchbase.errors import BenchError, unknown
from benchbase.values.digest import digest

SCOPES = ("inner", "all")
WAYS = ("ratio", "ratios", "widths", "macs", "params", "dropped")


class Sized(Protocol):
    """What a budget must know of a group."""

    @property
    def name(self) -> str: ...
    @property
    def width(self) -> int: ...


@dataclass(frozen=True)
class Budget:
    """How much of a network goes: exactly one of the six ways to say it.

    ratio: the fraction of channels (or weights) removed.  ratios: glob on the group's name -> fraction removed; the first match
    wins, a group that none matches is kept whole.  widths: group -> channels that stay.  macs, params: fraction of the whole net's
    multiply-adds or parameters removed, met by one uniform ratio.  dropped: residual blocks that go, by path.  scope: "inner", "all" or "" for the method's own default.
    reads: beside any of them, layer -> input channels that it reads of a stream which others read whole (`Selection.reads`).
    like: beside ratio, macs or params, a method: what each layer has left when that method prunes so much on its own base, with the same
    seed. "network-slimming@0.5" as text: same-widths controls of methods that decide the widths.  like_seed: the one seed whose decision all
    seeds take, "network-slimming@0.5#0" as text: it tells the spread of training from that of the architectures (gate 18).
    round_to: beside ratio, ratios, macs, params or like, what every kept width is a multiple of, since kernels of odd widths are slow: the nearest
    multiple (`rounded`). "0.37[round_to=8]" as text.
    name: how the user asked for it; no part of its identity.
    """

    ratio: float | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    macs: float | None = None
    params: float | None = None
    dropped: tuple[str, ...] = ()
    scope: str = ""
    reads: Mapping[str, int] = field(default_factory=dict)
    like: str | None = None
    like_seed: int | None = None
    round_to: int | None = None
    name: str = field(default="", compare=False, metadata={"identity": False})

    def __post_init__(self) -> None:
        said = [f for f in WAYS if getattr(self, f) not in (None, {}, ())]
        if len(said) != 1:
            raise BenchError(f"a budget says {' and '.join(said) or 'nothing'}", f"give exactly one of {', '.join(WAYS)}")
        for key, value in [("ratio", self.ratio), ("macs", self.macs), ("params", self.params)]:
            if value is not None:
                _fraction(key, value, zero=False)
        for key, value in self.ratios.items():
            _fraction(f"ratios.{key}", value, zero=True)
        for key, count in [*((f"widths.{k}", n) for k, n in self.widths.items()), *((f"reads.{k}", n) for k, n in self.reads.items())]:
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise BenchError(f"{key} = {count!r} is not a count of channels", "give the number of channels that stay, at least 1")
        blocks = self.dropped if isinstance(self.dropped, tuple) else ("",)
        if not all(isinstance(b, str) and b for b in blocks) or len({*blocks}) < len(blocks):
            raise BenchError(f"dropped = {self.dropped!r} is not a list of blocks", "give the path of each block once, as [layer1.0, layer1.1]")
        if self.scope not in ("", *SCOPES):
            raise unknown("scope", self.scope, SCOPES)
        if self.like is not None and (not isinstance(self.like, str) or not self.like or said[0] not in ("ratio", "macs", "params")):
            raise BenchError(f"a budget like {self.like!r} says {said[0]}", "give a method and how much it removes, as network-slimming@0.5")
        if (at := self.like_seed) is not None and (self.like is None or isinstance(at, bool) or not isinstance(at, int) or not 0 <= at < 1 << 63):
            raise BenchError(f"a budget like {self.like!r} with seed {at!r}", "name a method and one of its seeds, as network-slimming@0.5#0")
        if (by := self.round_to) is not None and (isinstance(by, bool) or not isinstance(by, int) or by < 2):
            raise BenchError(f"round_to = {by!r} rounds to nothing", "give a whole number of channels, at least 2, as round_to=8")
        if self.round_to and said[0] in ("widths", "dropped"):
            raise BenchError(f"a budget says {said[0]} and round_to", f"leave round_to out: {said[0]} says already what stays")

    @property
    def label(self) -> str:
        """The budget in one word, for tables: as the user asked for it."""
        if self.name:
            return self.name
        if self.round_to:
            return f"{replace(self, round_to=None).label}[round_to={self.round_to}]"
        if self.like is not None:
            return f"{self.like}@{self.own.label}" + (f"#{self.like_seed}" if self.like_seed is not None else "")
        one = next(((k, getattr(self, k)) for k in ("macs", "params") if getattr(self, k) is not None), None)
        return f"{one[0]}={one[1]:g}" if one else f"{self.ratio:g}" if self.ratio is not None else f"{'blocks' if self.dropped else 'widths'}-{digest(self)[:8]}"

    @property
    def own(self) -> Budget:
        """What the method that this budget takes after is asked for; the budget itself where it takes after none."""
        return replace(self, like=None, like_seed=None, name=self.name.rpartition("@")[2].partition("#")[0]) if self.like is not None else self

    def keep(self, group: Sized) -> int:
        """Channels of `group` that stay: floor(width x (1 - ratio)) in decimal arithmetic, so that 10 x (1 - 0.9) is 1; with `round_to` the
        nearest multiple of it.

        macs and params budgets, and those like another method's, have no answer before they are resolved on a network: BenchError.
        """
        self.known()
        if self.widths:
            return self.widths.get(group.name, group.width)
        share = next((r for glob, r in self.ratios.items() if fnmatchcase(group.name, glob)), 0) if self.ratios else self.ratio
        if share is not None:
            return rounded(keep_count(group.width, share), group.width, self.round_to)
        raise BenchError(f"the budget {self.label} has no width for {group.name} yet", "resolve it on the network first")

    def known(self) -> None:
        """Raise BenchError where what stays is another method's to say."""
        if self.like is not None:
            raise BenchError(f"the budget {self.label} is what {self.like} leaves, and it has not been asked", "run it with `bench run`")

    def missed(self, achieved: Mapping[str, float], unit: str) -> float:
        """How far `achieved`, shares removed by name, lies from what was asked. unit: what a ratio counts ("channels", "blocks", "weights").

        0 where layers are named one by one.
        """
        macs, params = ("macs_nonzero", "nonzero") if unit == "weights" else ("macs", "params")
        shares = ((unit, self.ratio), (macs, self.macs), (params, self.params))
        return next((abs(achieved[key] - share) for key, share in shares if share is not None), 0.0)

    def to_json(self) -> dict[str, Any]:
        """As plain data: what is said, and the name it was asked by."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: dict(v) if isinstance(v, Mapping) else list(v) if isinstance(v, tuple) else v for k, v in said.items()}
        return {k: v for k, v in plain.items() if v not in (None, "", {}, [])} | {"name": self.label}


def keep_count(width: int, ratio: float | str | Decimal) -> int:
    """floor(width x (1 - ratio)), never in floating point.

    >>> keep_count(10, 0.9), int(10 * (1 - 0.9))
    (1, 0)
    """
    return int((width * (1 - Decimal(str(ratio)))).to_integral_value(ROUND_FLOOR))


def rounded(count: int, width: int, multiple: int | None) -> int:
    """The multiple of `multiple` that is nearest to `count` of a group's `width` channels; a half goes up. None: `count` as it is.

    At least one multiple stays, so that no layer is emptied, and never more than the width: what comes to it is kept whole, and so is what
    was whole before, though the width be no multiple itself.

    >>> [rounded(count, 20, 8) for count in (0, 11, 12, 18, 20)]
    [8, 8, 16, 16, 20]
    """
    if multiple is None or count == width:
        return count
    return min(max((count + multiple // 2) // multiple, 1) * multiple, width)


def budget_of(data: Any, name: str = "") -> Budget:
    """The Budget in plain data (a YAML file, a suite, a record). Raises BenchError naming the key that is wrong."""
    if not isinstance(data, Mapping):
        return parse_budget(str(data))
    known = [f.name for f in fields(Budget)]
    for key in data:
        if key not in (*known, "model", "source"):
            raise unknown("budget key", str(key), known)
    given = {k: v for k, v in data.items() if k in known}
    for key in ("ratios", "widths", "reads"):
        if key in given:
            if not isinstance(given[key], Mapping):
                raise BenchError(f"{key} is not a table", f"write {key}: {{group: number}}")
            given[key] = {str(k): _number(f"{key}.{k}", v) if key == "ratios" else v for k, v in given[key].items()}
    if isinstance(given.get("dropped"), list):
        given["dropped"] = tuple(given["dropped"])
    for key in ("ratio", "macs", "params"):
        if given.get(key) is not None:
            given[key] = _number(key, given[key])
    return Budget(**{**given, "name": name or str(given.get("name", ""))})


def parse_budget(text: str, named: Mapping[str, Budget] | None = None) -> Budget:
    """The Budget that `text` says: "0.5", "macs=0.5", "params=0.5", "compression=8" (params 1 - 1/8), "METHOD@0.5" (what that method
    leaves; "METHOD@0.5#0" with seed 0, whatever the seed), or a name out of `named`; "B[round_to=8]" is any of them with its widths rounded."""
    if named and text in named:
        return named[text]
    plain, by, seed_at = _split(text.strip())
    if by:
        return replace(parse_budget(plain + seed_at, named), round_to=_multiple(text, by), name=text.strip())
    key, _, value = text.strip().rpartition("=")
    method, at, share = text.strip().rpartition("@")
    if at:
        share, one, seed = share.partition("#")
        if one and not (seed.isdecimal() and seed.isascii() and len(seed) < 20):
            raise BenchError(f"budget {text}: {seed!r} is no seed", "name the seed whose widths all take, as network-slimming@0.5#0")
        return replace(parse_budget(share), like=method, like_seed=int(seed) if one else None, name=text.strip())
    if key == "compression":
        factor = _number(key, value)
        if not factor > 1:
            raise BenchError(f"compression = {value} removes nothing", "give a factor above 1, as in compression=8")
        return Budget(params=float(1 - 1 / Decimal(str(factor))), name=text)
    if key in ("macs", "params"):
        return Budget(**{key: _number(key, value)}, name=text)  # type: ignore[arg-type]
    if key and key != "ratio":
        raise unknown("budget", text, [*(named or ()), "macs=0.5", "params=0.5", "compression=8"])
    try:
        ratio = float(value)
    except ValueError:
        raise unknown("budget", text, [*(named or ()), "0.5", "macs=0.5", "params=0.5", "compression=8"]) from None
    return Budget(ratio=ratio, name=value)


def _split(text: str) -> tuple[str, str, str]:
    """("0.5", "round_to=8", "") of "0.5[round_to=8]"; what stands in brackets before an "@" is the method's, and "#0" may follow them."""
    found = re.fullmatch(r"(?P<plain>[^\[]*|.*@[^\[]*)\[(?P<by>[^\]]*)\](?P<seed>#[^#]*)?", text)
    return (found["plain"], found["by"], found["seed"] or "") if found else (text, "", "")


def _multiple(text: str, said: str) -> int:
    key, _, value = said.partition("=")
    if key.strip() != "round_to" or not (value.strip().isdecimal() and value.isascii() and len(value) < 10):
        raise BenchError(f"budget {text}: [{said}] is not understood", "write the multiple in brackets, as 0.5[round_to=8]")
    return int(value)


def _number(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or math.isnan(number):
        raise BenchError(f"budget {key} = {value!r} is not a number", "give a fraction between 0 and 1, the part that is removed")
    return number


def _fraction(key: str, value: Any, *, zero: bool) -> None:
    number = _number(key, value)
    if not (0 < number < 1 or zero and number == 0):
        raise BenchError(f"budget {key} = {value} is out of range", "give the fraction that is removed, above 0 and below 1")
