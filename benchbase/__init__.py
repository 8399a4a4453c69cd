"""benchbase: is a pruned network good because of the weights it inherits, or because of its architecture?

The public names, for plugin authors and notebooks. Each is imported when it is first asked for, so that `import benchbase` needs
no torch.
"""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchbase.api import build, build_model, count, export, prune, run_protocols, trace
    from benchbase.board.notebook import tables
    from benchbase.errors import BenchError
    from benchbase.nets.gather import ChannelSelect
    from benchbase.nets.method import Callback, Method
    from benchbase.plugin.hookspecs import hookimpl
    from benchbase.training.dataset import Dataset
    from benchbase.values.architecture import Architecture
    from benchbase.values.budget import Budget
    from benchbase.values.cost import Cost
    from benchbase.values.escape import csv_cell
    from benchbase.values.protocol import Metric, Protocol
    from benchbase.values.recipe import Recipe
    from benchbase.values.record import load_records
    from benchbase.values.selection import Selection

    __version__: str

_HOME = {
    "api": ("build", "build_model", "count", "export", "prune", "run_protocols", "trace"), "board.notebook": ("tables",),
    "errors": ("BenchError",), "nets.gather": ("ChannelSelect",),
    "nets.method": ("Callback", "Method"), "plugin.hookspecs": ("hookimpl",), "training.dataset": ("Dataset",),
    "values.architecture": ("Architecture",), "values.budget": ("Budget",), "values.cost": ("Cost",), "values.escape": ("csv_cell",),
    "values.protocol": ("Metric", "Protocol"), "values.recipe": ("Recipe",), "values.record": ("load_records",),
    "values.selection": ("Selection",)}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["Architecture", "BenchError", "Budget", "Callback", "ChannelSelect", "Cost", "Dataset", "Method", "Metric", "Protocol", "Recipe",
           "Selection", "__version__", "build", "build_model", "count", "csv_cell", "export", "hookimpl", "load_records", "prune",
           "run_protocols", "tables", "trace"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("benchbase")
    elif name in _MODULE_OF:
        value = getattr(import_module(f"benchbase.{_MODULE_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'benchbase' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
