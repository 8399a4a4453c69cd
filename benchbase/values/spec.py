"""Suites: what to run, as data. A suite is the product of its lists, or the union of such products; flags of `bench run` make or change one."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from benchbase.errors import BenchError, unknown
from benchbase.values.bounded import MAX_YAML, read_bytes, yaml_of

MAX_SEEDS = 1000
FAMILIES = ("table", "point")


@dataclass(frozen=True)
class Suite:
    """Every combination of methods, models, datasets, budgets and seeds, each under all protocols.

    Names are as on the command line, parameters in brackets: "thinet[images=64]", "imagefolder:DIR[size=32]". Budgets are texts
    ("0.5", "macs=0.5", "vgg16-a") or tables with the fields of Budget.  recipe, finetune: fields that differ from the data set's own.
    controls: whether each row gets its controls, and each table its `unpruned-long`.  family: the comparisons that ranks are adjusted over,
    "table" (all of a protocol) or "point" (those at one operating point).
    parts: where it has any, the suite is their union, and its own lists say nothing more.
    """

    methods: tuple[str, ...] = ("l1-norm",)
    models: tuple[str, ...] = ("vgg-digits",)
    datasets: tuple[str, ...] = ("digits",)
    budgets: tuple[Any, ...] = ("0.5",)
    protocols: tuple[str, ...] = ("one-shot", "finetune", "scratch-e", "scratch-b")
    seeds: tuple[int, ...] = (0, 1, 2)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    finetune: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    parts: tuple[Suite, ...] = ()
    controls: bool = False
    family: str = "table"

    @property
    def products(self) -> tuple[Suite, ...]:
        """The suites without parts whose union this is."""
        return self.parts or (self,)

    def with_(self, **changes: Any) -> Suite:
        """This suite with the given fields replaced where the value says something (flags over file)."""
        return replace(self, **{k: v for k, v in changes.items() if v not in (None, (), {})})


def suite_of(data: Any, name: str = "") -> Suite:
    """The Suite in plain data. Raises BenchError for unknown keys and wrong types, naming the key."""
    if not isinstance(data, Mapping):
        raise BenchError(f"suite {name or 'file'} is not a table of keys", "see benchmarks/suites for examples")
    known = [f.name for f in fields(Suite)]
    for key in data:
        if key not in known:
            raise unknown("suite key", str(key), known)
    given: dict[str, Any] = {"name": str(data.get("name", name)), "parts": _parts(data, known, name)}
    for key in ("methods", "models", "datasets", "protocols"):
        if key in data:
            given[key] = tuple(_text(key, v) for v in _list(key, data[key]))
    if "budgets" in data:
        given["budgets"] = tuple(v if isinstance(v, Mapping) else _text("budgets", v) for v in _list("budgets", data["budgets"]))
    if "seeds" in data:
        given["seeds"] = parse_seeds(data["seeds"])
    for key in ("recipe", "finetune"):
        if key in data:
            if not isinstance(data[key], Mapping):
                raise BenchError(f"suite key {key} is not a table", f"write {key}: {{epochs: 10}}")
            given[key] = dict(data[key])
    if "controls" in data:
        if not isinstance(data["controls"], bool):
            raise BenchError(f"suite key controls is {data['controls']!r}", "write controls: true or controls: false")
        given["controls"] = data["controls"]
    if "family" in data:
        if data["family"] not in FAMILIES:
            raise unknown("family of comparisons", str(data["family"]), FAMILIES)
        given["family"] = data["family"]
    return Suite(**given)


def _parts(data: Mapping[str, Any], known: list[str], name: str) -> tuple[Suite, ...]:
    """The products under `parts`. Each has the keys of the whole suite that it does not name itself."""
    common, own = {key: value for key, value in data.items() if key != "parts"}, ("name", "parts", "family")
    made = []
    for part in _list("parts", data["parts"]) if "parts" in data else ():
        if not isinstance(part, Mapping):
            raise BenchError(f"suite key parts holds {part!r}", "write each as a table: - {methods: [thinet], budgets: [0.5]}")
        if twice := [key for key in own if key in part]:
            raise BenchError(f"a part of a suite has no {twice[0]}", "say it for the whole suite")
        for key in part:
            if key not in known:
                raise unknown("key of a suite's part", str(key), [name for name in known if name not in own])
        made.append(suite_of(_over(common, part), name))
    return tuple(made)


def _over(base: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `base` and of `data`, which wins; tables of recipes field by field."""
    merged = {key: {**base[key], **data[key]} for key in ("recipe", "finetune")
              if isinstance(base.get(key), Mapping) and isinstance(data.get(key), Mapping)}
    return {**base, **data, **merged}


def read_suite(path: Path, _seen: tuple[Path, ...] = ()) -> Suite:
    """The Suite in a YAML file; `extends: other.yaml` (beside it) gives the keys it does not name itself."""
    return suite_of(_read(path, _seen), name=path.stem)


def keys_in(path: Path) -> tuple[frozenset[str], ...]:
    """Of each product of the suite in a file, the keys that the file or one that it extends names; of recipes "recipe.lr" and the like."""
    data = _read(path, ())
    parts = [_over({k: v for k, v in data.items() if k != "parts"}, part) for part in data["parts"]] if data.get("parts") else [data]
    return tuple(frozenset({*part, *(f"{table}.{name}" for table in ("recipe", "finetune") for name in part.get(table) or ())}) for part in parts)


def read_yaml(path: Path) -> Any:
    """The plain data in a YAML file: bounded in size and depth, no tags. Raises BenchError naming the file and the line."""
    import yaml

    raw = read_bytes(path, MAX_YAML)
    try:
        return yaml_of(raw)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or (str(error).splitlines()[0][:200] if str(error) and not isinstance(error, UnicodeDecodeError) else "")
        raise BenchError(f"{path}{where}: not YAML", said or "mend its syntax") from None


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BenchError(f"suite {path} is not a table of keys", "see benchmarks/suites for examples")
    parent = data.pop("extends", None)
    if parent is None:
        return data
    file = path.parent / str(parent)
    if Path(str(parent)).name != str(parent) or file in seen or len(seen) > 8:
        raise BenchError(f"{path}: extends {parent!r}", "name a file in the same folder, without a circle")
    return _over(_read(file, (*seen, path, file)), data)


def parse_seeds(value: Any) -> tuple[int, ...]:
    """The seeds that "0-4", "3", "0,2,5" or a list of numbers say, ascending without repeats."""
    wrong = BenchError(f"seeds {value!r} are not seeds", "write them like 0-4 or 0,1,2")
    parts = [str(v) for v in value] if isinstance(value, (list, tuple)) else str(value).split(",")
    seeds: set[int] = set()
    for part in parts:
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        if match is None:
            raise wrong
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= MAX_SEEDS:
            raise wrong
        seeds.update(range(first, last + 1))
    if not seeds:
        raise wrong
    return tuple(sorted(seeds))


def _list(key: str, value: Any) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise BenchError(f"suite key {key} is empty", "name at least one")
    return items


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BenchError(f"suite key {key} holds {value!r}", "write names as plain text")
    return str(value)
