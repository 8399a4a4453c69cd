"""What plugins offer: each thing under its name, with where it comes from; what hooks return is checked here."""
from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError
from benchbase.nets.method import Method
from benchbase.plugin.load import Plugin
from benchbase.training.dataset import Dataset
from benchbase.values.protocol import STARTS, Metric, Protocol

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
NAMES = "names are at most 100 letters, digits and . _ + -"


@dataclass(frozen=True)
class Offer:
    """One thing that can be asked for by name.

    value: the class, function, instance, path or Budget.  plugin: the entry point's name.  distribution, version: of the installed
    package; None for what comes from a file, whose sha256 is `source` ("" for packages).  about: what it is, where no docstring says it.
    """

    kind: str
    name: str
    value: Any
    plugin: str
    distribution: str | None
    version: str | None
    source: str = ""
    about: str = ""

    @property
    def doc(self) -> str:
        """What it is, in one sentence."""
        return self.about or first_sentence(self.value)

    @property
    def paper(self) -> str:
        """The citation, where it has one."""
        return str(getattr(self.value, "paper", ""))


def offers_of(kind: str, plugin: Plugin, returned: Any) -> list[Offer]:
    """The offers in what a plugin's hook returned. Raises TypeError or ValueError, saying in words what is wrong with it."""
    hook, entries = KINDS[kind]
    if not isinstance(returned, (list, tuple)):
        raise TypeError(f"{hook} returned {type(returned).__name__}, not a list")
    found = []
    for value in returned:
        for name, thing, about in entries(value):
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise ValueError(f"{hook}: {_called(value)} has the name {name!r}; {NAMES}")
            found.append(Offer(kind, name, thing, plugin.name, plugin.distribution, plugin.version, about=about))
    return found


def no_clash(offers: Iterable[Offer]) -> None:
    """Raise BenchError where two offers of one kind have one name, naming both packages."""
    seen: dict[str, Offer] = {}
    for offer in offers:
        other = seen.setdefault(offer.name, offer)
        if other is not offer:
            one, two = (f"{o.distribution} (plugin {o.plugin})" for o in (other, offer))
            raise BenchError(f"two plugins offer {offer.kind} named {offer.name!r}: {one} and {two}",
                             "uninstall one of them, or name those to load in BENCH_PLUGINS")


def check_method(cls: Any) -> None:
    """Raise TypeError or ValueError where `cls` is no usable method class."""
    _check_class(cls, Method)
    if cls.select is Method.select:
        raise TypeError(f"{cls.__name__} does not define select(net, data, budget)")
    for field, allowed in (("granularity", ("channel", "block", "weight")), ("target", ("predefined", "automatic")), ("scope", ("inner", "all"))):
        if getattr(cls, field) not in allowed:
            raise ValueError(f"{cls.__name__}.{field} is {getattr(cls, field)!r}, not one of {', '.join(allowed)}")
    if not isinstance(cls.name, str) or not NAME.fullmatch(cls.name):
        raise ValueError(f"{cls.__name__}.name is {cls.name!r}; {NAMES}")
    for field in ("version", "keep_at_least"):
        if type(getattr(cls, field)) is not int or getattr(cls, field) < 0:
            raise ValueError(f"{cls.__name__}.{field} is {getattr(cls, field)!r}, not a whole number")


def first_sentence(value: Any) -> str:
    """The first sentence of a docstring of its own; "" where it has none but what dataclasses make up."""
    owner = value if hasattr(value, "__name__") else type(value)
    text = " ".join((owner.__doc__ or "").strip().partition("\n\n")[0].split())
    return "" if text.startswith(f"{owner.__name__}(") else re.split(r"(?<=[.!?])\s", text)[0]


Entries = Iterator[tuple[Any, Any, str]]  # (name, value, what it is)


def _method(cls: Any) -> Entries:
    check_method(cls)
    yield cls.name, cls, ""


def _dataset(cls: Any) -> Entries:
    _check_class(cls, Dataset)
    if cls.load is Dataset.load and cls.stream is Dataset.stream:
        raise TypeError(f"{cls.__name__} defines neither load(root, split) nor stream(root, split, batch_size, generator)")
    for needed in ("num_classes", "shape"):
        if not hasattr(cls, needed) and needed not in getattr(cls, "__dataclass_fields__", {}):
            raise TypeError(f"{cls.__name__} does not say its {needed}")
    yield cls.name, cls, ""


def _model(function: Any) -> Entries:
    if not callable(function) or not hasattr(function, "__name__"):
        raise TypeError(f"{_called(function)} is no function fn(num_classes, in_channels=3)")
    try:
        inspect.signature(function).bind(10, in_channels=3)
    except ValueError:  # a builtin tells nothing
        pass
    except TypeError as error:
        raise TypeError(f"{function.__name__} does not take (num_classes, in_channels=3): {error}") from None
    yield function.__name__.replace("_", "-"), function, ""


def _protocol(value: Any) -> Entries:
    if not isinstance(value, Protocol):
        raise TypeError(f"{_called(value)} is no benchbase.Protocol")
    if value.start not in STARTS or not callable(value.train):
        raise ValueError(f"protocol {value.name}: start is one of {', '.join(STARTS)}, train a function that gives a Recipe")
    if not 0 <= value.rewound_to < 1:
        raise ValueError(f"protocol {value.name}: rewound_to is a part of the base's training, at least 0 and below 1")
    yield value.name, value, f"{value.start} weights; epochs: {value.formula or 'its own'}"


def _metric(value: Any) -> Entries:
    if not isinstance(value, Metric):
        raise TypeError(f"{_called(value)} is no instance of a benchbase.Metric")
    if value.better not in ("higher", "lower"):
        raise ValueError(f"metric {getattr(value, 'name', '')}: better is {value.better!r}, not higher or lower")
    yield getattr(value, "name", ""), value, ""


def _executor(value: Any) -> Entries:
    if isinstance(value, type) or not any(callable(getattr(value, way, None)) for way in ("run", "pool")):
        raise TypeError(f"{_called(value)} is no object with a method run(make, count, jobs) or pool(make, room, tell)")
    yield getattr(value, "name", ""), value, ""


def _suite(value: Any) -> Entries:
    path = Path(value)
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    yield path.stem, path, first.lstrip("# ").strip() if first.startswith("#") else ""


def _budgets(value: Any) -> Entries:
    from benchbase.values.budget import budget_of
    from benchbase.values.spec import read_yaml

    data = read_yaml(Path(value))
    if not isinstance(data, dict):
        raise TypeError(f"{Path(value).name} is not a table of budgets by name")
    for name, said in data.items():
        if not isinstance(said, dict):
            raise TypeError(f"{Path(value).name}: {name} is not a table of keys")
        yield name, budget_of(said, str(name)), ": ".join(str(said[k]) for k in ("model", "source") if k in said)


def _check_class(cls: Any, base: type) -> None:
    """A subclass with a name, whose parameters (if any) are the fields of a frozen dataclass: they are its identity in every key."""
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise TypeError(f"{_called(cls)} is no subclass of benchbase.{base.__name__}")
    if not getattr(cls, "name", ""):
        raise ValueError(f"{cls.__name__} has no name")
    own = vars(cls)
    if "__dataclass_fields__" in own and not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise TypeError(f"{cls.__name__} is a dataclass that is not frozen: write @dataclass(frozen=True)")
    loose = [n for n, kind in own.get("__annotations__", {}).items() if "ClassVar" not in str(kind)]
    if "__dataclass_fields__" not in own and (loose or "__init__" in own):
        raise TypeError(f"{cls.__name__} has parameters and is no dataclass: write @dataclass(frozen=True) above it")


def _called(value: Any) -> str:
    """What to call a value in an error."""
    return getattr(value, "__name__", None) or f"{type(value).__name__} {str(value)[:40]!r}"


KINDS: dict[str, tuple[str, Callable[[Any], Entries]]] = {
    "methods": ("bench_methods", _method), "models": ("bench_models", _model), "datasets": ("bench_datasets", _dataset),
    "protocols": ("bench_protocols", _protocol), "metrics": ("bench_metrics", _metric), "executors": ("bench_executors", _executor),
    "suites": ("bench_suites", _suite), "budgets": ("bench_budgets", _budgets)}
