"""Numbers that the paper reports, attached to their methods as data (reported.yaml). No torch is loaded with it."""
from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

SOURCED = ("drop", "released")  # parts of a row that have a source of their own


class Reported:
    """`reported = Reported("l1-norm")` in the body of a method: its rows of reported.yaml, read when they are first asked for. Without an
    annotation: dataclass would ask for the value of an annotated one, and every listing and completion would wait for the file.

    Each is a dict with dataset, model, target (as the paper calls the pruned network), accuracies under the names of protocols, source.
    """

    def __init__(self, method: str) -> None:
        self.method = method

    def __get__(self, instance: Any, owner: type) -> tuple[dict[str, Any], ...]:
        return tuple(rows()[self.method])


@cache
def rows() -> dict[str, list[dict[str, Any]]]:
    """Method -> its rows, the name of each source replaced by what it says."""
    import yaml

    table = yaml.safe_load(Path(__file__).with_name("reported.yaml").read_text(encoding="utf-8"))
    sources = table.pop("sources")
    for row in (row for of_method in table.values() for row in of_method):
        for part in (row, *(row[key] for key in SOURCED if key in row)):
            part["source"] = sources[part["source"]]
    return table
