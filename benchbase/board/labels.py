"""What rows are called: short, and never the same for two."""
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchbase.board.row import Who
from benchbase.values.budget import budget_of
from benchbase.values.digest import digest

if TYPE_CHECKING:
    from benchbase.values.record import Failure, Record
    from benchbase.values.record_fields import MethodFields

UNITS = ("ratio", "macs", "params")


def table_key(item: Record | Failure) -> str:
    """What must be equal for two records to stand in one table."""
    return _text([item.protocol_version, item.dataset.name, item.dataset.fingerprint, item.model, item.recipe, item.finetune_recipe])


def method_key(method: MethodFields) -> str:
    """What tells a method from others: name, version, parameters, and the file of one that is not installed."""
    return _text([method.name, method.version, method.params, method.source])


def budget_key(budget: Mapping[str, Any]) -> str:
    """What tells a budget from others: all but its name."""
    return _text({k: v for k, v in budget.items() if k != "name"})


def row_key(item: Record | Failure) -> str:
    """What must be equal for two records to stand in one row."""
    return method_key(item.method) + budget_key(item.budget)


def whos(methods: Iterable[MethodFields], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Who]:
    """method_key -> the method as rows name it.

    In brackets stand the parameters that are not as in `defaults`, for a method that is not there those that differ between its rows.
    A version, or the start of a file's digest, follows where a name has several.
    """
    found = {method_key(m): m for m in methods}
    named: dict[str, list[MethodFields]] = {}
    for key in sorted(found):
        named.setdefault(found[key].name, []).append(found[key])
    labels = {key: _label(m, named[m.name], defaults.get(m.name)) for key, m in found.items()}
    return {key: Who(label, m.name, m.version, tuple(sorted(m.params.items())), f"{m.distribution} {m.distribution_version or ''}".strip()
                     if m.distribution else "", m.source) for (key, label), m in zip(_distinct(labels).items(), found.values())}


def budget_labels(budgets: Sequence[Mapping[str, Any]]) -> list[str]:
    """The labels of budgets, as users asked for them; equal budgets have equal labels, different ones never."""
    labels: dict[str, str] = {}
    for budget in budgets:
        scope = f" ({budget['scope']})" if budget.get("scope") else ""
        labels.setdefault(budget_key(budget), budget_of(budget).label + scope)
    labels = _distinct(labels)
    return [labels[budget_key(budget)] for budget in budgets]


def budget_order(budget: Mapping[str, Any], label: str) -> tuple[int, float, str]:
    """Where a row stands: shares of channels, of multiply-adds, of parameters, each ascending, then named budgets."""
    for i, unit in enumerate(UNITS):
        if budget.get(unit) is not None:
            return i, budget[unit], label
    return len(UNITS), 0.0, label


def written(value: Any) -> str:
    """A parameter as it is written on the command line.

    >>> written(True), written("a"), written([1, 2])
    ('true', 'a', '1/2')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return "/".join(map(written, value))
    return _text(value)


def _label(method: MethodFields, others: Sequence[MethodFields], defaults: Mapping[str, Any] | None) -> str:
    if defaults is None:
        odd = [name for name in method.params if len({_text(m.params.get(name)) for m in others}) > 1]
    else:
        odd = [name for name, value in method.params.items() if name not in defaults or _text(value) != _text(defaults[name])]
    label = method.name + (f"[{','.join(f'{name}={written(method.params[name])}' for name in sorted(odd))}]" if odd else "")
    if len({m.version for m in others}) > 1:
        label += f" v{method.version}"
    return label + (f" {method.source[:6]}" if method.source and len({m.source for m in others}) > 1 else "")


def _distinct(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels by identity, with the start of the identity's digest where two would be the same."""
    count = Counter(labels.values())
    return {key: label if count[label] == 1 else f"{label} #{digest(key)[:6]}" for key, label in labels.items()}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
